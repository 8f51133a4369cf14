/** JSON with one text a value: fields in order of their names, no white space; what digests and signatures cover. */

/**
 * Formats a value of plain JSON. Fields that are undefined are left out, as JSON does.
 * @throws Error for what JSON cannot say: a function, a symbol, a number that is not finite.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value)
      .filter(([, field]) => field !== undefined)
      // By code unit, not by locale: the text must be the same everywhere.
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`);
    return `{${fields.join(",")}}`;
  }
  const text = typeof value === "number" && !Number.isFinite(value) ? undefined : JSON.stringify(value);
  if (text === undefined) throw new Error(`Cannot format a value as JSON: ${typeof value}`);
  return text;
}
