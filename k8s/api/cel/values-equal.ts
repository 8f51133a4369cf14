/** Whether two values of expressions are equal: by content, whatever their classes hold. */

/** Compares. */
export function valuesEqual(left: unknown, right: unknown): boolean {
  if (Object.is(left, right) || left === right) return true;
  if (isNumber(left) && isNumber(right)) return Number(left) === Number(right);
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  return left.constructor === right.constructor && objectsEqual(left, right);
}

function objectsEqual(left: object, right: object): boolean {
  if (left instanceof Date) return left.getTime() === (right as Date).getTime();
  if (left instanceof Map) return mapsEqual(left, right as Map<unknown, unknown>);
  if (ArrayBuffer.isView(left)) return Buffer.compare(bytesOf(left), bytesOf(right)) === 0;
  const [entries, other] = [Object.entries(left), new Map(Object.entries(right))];
  return (
    entries.length === other.size &&
    entries.every(([name, value]) => other.has(name) && valuesEqual(value, other.get(name)))
  );
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

function mapsEqual(left: ReadonlyMap<unknown, unknown>, right: ReadonlyMap<unknown, unknown>): boolean {
  return (
    left.size === right.size &&
    [...left].every(([key, value]) => right.has(key) && valuesEqual(value, right.get(key)))
  );
}

function bytesOf(view: object): Uint8Array {
  // Sound: only asked of two views of one class.
  return view as Uint8Array;
}
