/** HTTP/2's frame types and flags (RFC 9113 §4.1, §6); reading and writing them is done elsewhere. */

/** The frame types by name. */
export const frameTypes = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goaway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const;

/** The flags by name; ACK and END_STREAM share a bit on different frames. */
export const frameFlags = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

/** A frame begins with 24 bits of length, 8 of type, 8 of flags, 31 of stream id. */
export const frameHeaderBytes = 9;

/** What a client says first (§3.4). */
export const clientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** The largest window and the largest stream id. */
export const int31Max = 0x7fff_ffff;

/** Where both ends begin before SETTINGS say otherwise (§6.5.2, §6.9.2). */
export const initialDefaults = {
  windowBytes: 65_535,
  frameBytesMax: 16_384,
  headerTableBytes: 4096,
} as const;

/** Reads 32 bits in network order. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)) >>>
    0
  );
}
