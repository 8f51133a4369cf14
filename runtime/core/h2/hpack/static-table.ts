/** The static table of HPACK (RFC 7541 Appendix A), and look-ups in it by name and by whole field. */
import type { HeaderField } from "../header-field.ts";

/** Entries 1 to 61, at index 0 to 60. */
export const staticTable: readonly HeaderField[] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  [":status", "200"],
  [":status", "204"],
  [":status", "206"],
  [":status", "304"],
  [":status", "400"],
  [":status", "404"],
  [":status", "500"],
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ["accept-language", ""],
  ["accept-ranges", ""],
  ["accept", ""],
  ["access-control-allow-origin", ""],
  ["age", ""],
  ["allow", ""],
  ["authorization", ""],
  ["cache-control", ""],
  ["content-disposition", ""],
  ["content-encoding", ""],
  ["content-language", ""],
  ["content-length", ""],
  ["content-location", ""],
  ["content-range", ""],
  ["content-type", ""],
  ["cookie", ""],
  ["date", ""],
  ["etag", ""],
  ["expect", ""],
  ["expires", ""],
  ["from", ""],
  ["host", ""],
  ["if-match", ""],
  ["if-modified-since", ""],
  ["if-none-match", ""],
  ["if-range", ""],
  ["if-unmodified-since", ""],
  ["last-modified", ""],
  ["link", ""],
  ["location", ""],
  ["max-forwards", ""],
  ["proxy-authenticate", ""],
  ["proxy-authorization", ""],
  ["range", ""],
  ["referer", ""],
  ["refresh", ""],
  ["retry-after", ""],
  ["server", ""],
  ["set-cookie", ""],
  ["strict-transport-security", ""],
  ["transfer-encoding", ""],
  ["user-agent", ""],
  ["vary", ""],
  ["via", ""],
  ["www-authenticate", ""],
];

/** The first index that the dynamic table has. */
export const firstDynamicIndex: number = staticTable.length + 1;

/** The index by name, the first entry of each. */
export const staticNames: ReadonlyMap<string, number> = new Map(
  staticTable.map(([name], i): [string, number] => [name, i + 1]).toReversed(),
);

/** The index by name and value, for entries that have a value. */
export const staticFields: ReadonlyMap<string, number> = new Map(
  staticTable.flatMap(([name, value], i): [string, number][] =>
    value === "" ? [] : [[fieldKey(name, value), i + 1]],
  ),
);

/** A key for a whole field; a line feed cannot occur in a name or value that may be sent. */
export function fieldKey(name: string, value: string): string {
  return `${name}\n${value}`;
}
