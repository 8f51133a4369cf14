/** Kubernetes quantities as the numbers that limits are set with. Pure. */
import { quantityValue } from "../../model/quantity.ts";

/** The number that a quantity stands for; undefined when it is none, or absent. */
export function parseQuantity(quantity: string | number | undefined): number | undefined {
  if (quantity === undefined) return undefined;
  const value = quantityValue(String(quantity));
  return value.ok ? value.value : undefined;
}

/** A quantity of cores as thousandths, rounded up. */
export function cpuMillis(quantity: string | number | undefined): number | undefined {
  const cores = parseQuantity(quantity);
  return cores === undefined ? undefined : Math.ceil(Math.round(cores * 1e6) / 1e3);
}
