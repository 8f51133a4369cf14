/** Kubernetes quantities as numbers, such as `500m`, `64Mi`, `1e3`. Pure. */

const suffixes: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** The number that a quantity stands for; undefined when it is none. */
export function parseQuantity(quantity: string | number | undefined): number | undefined {
  if (quantity === undefined) return undefined;
  if (typeof quantity === "number") return quantity;
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?$/.exec(quantity);
  if (match === null) return undefined;
  const [, number = "", exponent = "", suffix = ""] = match;
  return Number(number + exponent) * (suffixes[suffix] ?? 1);
}

/** A quantity of cores as thousandths, rounded up. */
export function cpuMillis(quantity: string | number | undefined): number | undefined {
  const cores = parseQuantity(quantity);
  return cores === undefined ? undefined : Math.ceil(Math.round(cores * 1e6) / 1e3);
}
