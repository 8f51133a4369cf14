/** Whether an address lies in one of the ranges that a policy names, on bytes. */
import type { Address } from "#core/proto/istio/authorization_pb.js";
import { err, ok, type Result } from "#core/result.ts";

/** Tells whether any of the ranges holds the address, 4 or 16 bytes. */
export type AddressTest = (bytes: Uint8Array) => boolean;

/** Reads ranges; one that is no range of IPv4 or IPv6 makes the whole unreadable. */
export function readAddressTest(ranges: readonly Address[]): Result<AddressTest> {
  for (const { address, length } of ranges) {
    if ((address.length !== 4 && address.length !== 16) || length > address.length * 8) {
      return err(`a range has ${address.length} bytes and a prefix of ${length} bits, wanted 4 or 16 bytes`);
    }
  }
  return ok((bytes) => ranges.some((range) => isWithin(bytes, range)));
}

function isWithin(bytes: Uint8Array, range: Address): boolean {
  if (bytes.length !== range.address.length) return false;
  const whole = range.length >> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== range.address[i]) return false;
  const mask = (0xff00 >> (range.length & 7)) & 0xff;
  return mask === 0 || ((bytes[whole] ?? 0) & mask) === ((range.address[whole] ?? 0) & mask);
}
