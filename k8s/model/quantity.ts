/** Kubernetes' quantities, `500m`, `1.5Gi`: read, and written in the one form in which the API keeps them. */
import { err, ok, type Result } from "#core/result.ts";

/** What a server says of a text that is none. */
export const quantityRule =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

const decimalSuffixes = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"] as const;
const binarySuffixes = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] as const;
const form = /^([+-]?)(\d*)(?:\.(\d*))?(?:([numkMGTPE]|[KMGTPE]i)?|[eE]([+-]?\d{1,3}))$/;

/** Longest text that is read: more digits than any machine has bytes. */
const lengthMax = 64;

/** An exact amount: `nanos / 1e9`. */
interface Amount {
  readonly nanos: bigint;
  readonly style: "decimal" | "binary" | "exponent";
}

/** The canonical text of a quantity: no fraction, the largest suffix that leaves none. */
export function canonicalQuantity(text: string): Result<string> {
  const amount = parse(text);
  if (amount === undefined) return err(quantityRule);
  if (amount.style === "binary" && amount.nanos % 1_000_000_000n === 0n) {
    return ok(formatBinary(amount.nanos / 1_000_000_000n));
  }
  return ok(formatDecimal(amount.nanos, amount.style === "exponent"));
}

/** A quantity as a number: `500m` is 0.5. Exact as far as numbers are. */
export function quantityValue(text: string): Result<number> {
  const amount = parse(text);
  return amount === undefined ? err(quantityRule) : ok(Number(amount.nanos) / 1e9);
}

function parse(text: string): Amount | undefined {
  if (text.length > lengthMax) return undefined;
  const match = form.exec(text);
  if (match === null) return undefined;
  const [, sign = "", whole = "", fraction = "", suffix = "", exponent] = match;
  if (whole === "" && fraction === "") return undefined;
  // Smaller parts than a billionth are rounded up, as the server does.
  const digits = BigInt(whole + fraction);
  const scaled = scale(digits, fraction.length, suffix, exponent);
  const style = exponent !== undefined ? "exponent" : suffix.endsWith("i") ? "binary" : "decimal";
  return { nanos: sign === "-" ? -scaled : scaled, style };
}

function scale(digits: bigint, decimals: number, suffix: string, exponent: string | undefined): bigint {
  const binary = binarySuffixes.indexOf(suffix as (typeof binarySuffixes)[number]);
  const factor = binary < 0 ? 1n : 1024n ** BigInt(binary + 1);
  const tens = exponent === undefined ? tensOf(suffix) : Number(exponent);
  const power = 9 + tens - decimals;
  if (power >= 0) return digits * factor * 10n ** BigInt(power);
  const divisor = 10n ** BigInt(-power);
  return (digits * factor + divisor - 1n) / divisor;
}

function tensOf(suffix: string): number {
  const index = decimalSuffixes.indexOf(suffix as (typeof decimalSuffixes)[number]);
  return index < 0 ? 0 : (index - 3) * 3;
}

function formatBinary(value: bigint): string {
  let rest = value;
  let suffix = "";
  for (const next of binarySuffixes) {
    if (rest === 0n || rest % 1024n !== 0n) break;
    rest /= 1024n;
    suffix = next;
  }
  return `${rest}${suffix}`;
}

function formatDecimal(nanos: bigint, isExponent: boolean): string {
  if (nanos === 0n) return "0";
  let rest = nanos;
  let step = 0;
  while (step < decimalSuffixes.length - 1 && rest % 1000n === 0n) {
    rest /= 1000n;
    step++;
  }
  const tens = (step - 3) * 3;
  if (!isExponent) return `${rest}${decimalSuffixes[step] ?? ""}`;
  return tens === 0 ? `${rest}` : `${rest}e${tens}`;
}

/** A quantity as a whole number of billionths; undefined when the text is none. */
export function parseExactQuantity(text: string): bigint | undefined {
  return parse(text)?.nanos;
}
