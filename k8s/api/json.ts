/** JSON values as the API handles them: guards, equality, own copies. Not parsing, which is JSON.parse's. */

/** An object of unknown fields. */
export type JsonObject = { [field: string]: unknown };

/** Whether a value is an object and no array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value when it is an object, else an empty one: for reading optional parts. */
export function objectOr(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

/** The value when it is an array, else an empty one. */
export function arrayOr(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The value when it is a string, else an empty one. */
export function textOr(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The strings of an array. */
export function textsOf(value: unknown): readonly string[] {
  return arrayOr(value).filter((item) => typeof item === "string");
}

/** Whether two JSON values say the same; the order of fields means nothing. */
export function jsonEqual(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left)) {
    return (
      Array.isArray(right) &&
      left.length === right.length &&
      left.every((item, index) => jsonEqual(item, right[index]))
    );
  }
  if (!isJsonObject(left) || !isJsonObject(right)) return false;
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length &&
    names.every((name) => Object.hasOwn(right, name) && jsonEqual(left[name], right[name]))
  );
}

/**
 * Sets a field so that `__proto__` is a field like any other: by assignment it would change the prototype instead,
 * and what a client sent would vanish from the object but not from its behaviour.
 */
export function setField(target: JsonObject, name: string, value: unknown): void {
  if (name === "__proto__") {
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
  } else {
    target[name] = value;
  }
}

/** Deepest JSON that is read: what walks a value may then call itself. */
export const depthMax = 256;

/** Whether a value has more levels than that. */
export function isTooDeep(value: unknown, levels: number = depthMax): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((item) => isTooDeep(item, levels - 1));
}
