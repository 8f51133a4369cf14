/** Kubernetes' quantities as values of expressions. */
import { parseExactQuantity } from "../../model/quantity.ts";

const perUnit = 1_000_000_000n;

/** A quantity: an exact number of billionths. */
export class QuantityValue {
  readonly nanos: bigint;

  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

/** Reads one. @throws Error when the text is none. */
export function parseQuantity(text: string): QuantityValue {
  const nanos = parseExactQuantity(text);
  if (nanos === undefined)
    throw new Error(`quantities must match the regular expression of quantities: ${text}`);
  return new QuantityValue(nanos);
}

/** Whether a text is one. */
export function isQuantity(text: string): boolean {
  return parseExactQuantity(text) !== undefined;
}

/** -1, 0 or 1. */
export function compareQuantities(left: QuantityValue, right: QuantityValue): bigint {
  if (left.nanos === right.nanos) return 0n;
  return left.nanos < right.nanos ? -1n : 1n;
}

/** Whether it is a whole number of 64 bits. */
export function isWhole({ nanos }: QuantityValue): boolean {
  return nanos % perUnit === 0n && BigInt.asIntN(64, nanos / perUnit) === nanos / perUnit;
}

/** As a whole number. @throws Error when it is none. */
export function asWhole(quantity: QuantityValue): bigint {
  if (!isWhole(quantity)) throw new Error("cannot convert value to integer");
  return quantity.nanos / perUnit;
}

/** As a number, as near as numbers come. */
export function asNumber({ nanos }: QuantityValue): number {
  return Number(nanos) / Number(perUnit);
}

/** Their sum; a whole number counts as units. */
export function addQuantity(left: QuantityValue, right: QuantityValue | bigint): QuantityValue {
  return new QuantityValue(left.nanos + nanosOf(right));
}

/** Their difference. */
export function subtractQuantity(left: QuantityValue, right: QuantityValue | bigint): QuantityValue {
  return new QuantityValue(left.nanos - nanosOf(right));
}

function nanosOf(value: QuantityValue | bigint): bigint {
  return typeof value === "bigint" ? value * perUnit : value.nanos;
}
