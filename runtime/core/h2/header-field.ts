/** One field of an HTTP/2 header list (RFC 9113 §8.2); not a map, since order and repetition carry meaning. */

/** A field's name in lower case and its value, one UTF-16 unit per octet (latin-1). */
export type HeaderField = readonly [name: string, value: string];

/** The first value of a field, undefined when it is absent. */
export function findField(fields: readonly HeaderField[], name: string): string | undefined {
  for (const field of fields) if (field[0] === name) return field[1];
  return undefined;
}

/** Every value of a field, in order. */
export function fieldValues(fields: readonly HeaderField[], name: string): string[] {
  const values: string[] = [];
  for (const field of fields) if (field[0] === name) values.push(field[1]);
  return values;
}
