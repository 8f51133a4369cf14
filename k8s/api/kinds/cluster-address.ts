/** Which ClusterIP a Service gets: the one it asks for, or a free one of the range. The store's claims keep them unique. */
import {
  type Cidr,
  cidrContains,
  formatIp,
  ipBytes,
  type IpAddress,
  parseCidr,
  parseIp,
} from "#core/address/ip.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { Transaction } from "../object-store.ts";

/** Scope of the claims. */
const scope = "cluster-ip";

/** Addresses tried by chance before the range is walked: enough until it is nearly full. */
const triesByChance = 16;

/** Why an address was not given. */
export type AddressRefusal = "not-an-address" | "out-of-range" | "taken" | "range-full";

/** Gives out addresses of one IPv4 range. */
export interface ClusterAddresses {
  readonly range: string;
  /** Gives any free address to a Service. */
  take(tx: Transaction, holder: string): IpAddress | AddressRefusal;
  /** Gives the very address asked for. */
  takeExactly(tx: Transaction, holder: string, address: string): IpAddress | AddressRefusal;
  /** Takes back what a Service has; deletion does this by itself. */
  release(tx: Transaction, holder: string): void;
}

/** Whether an answer is a refusal. */
export function isRefusal(answer: IpAddress | AddressRefusal): answer is AddressRefusal {
  return (
    answer === "not-an-address" || answer === "out-of-range" || answer === "taken" || answer === "range-full"
  );
}

/**
 * Gives out addresses of a range, its first and last excepted.
 * @param reserved Addresses that only a Service that asks for them gets.
 * @throws MeshError when the range is no IPv4 range of at least 4 addresses.
 */
export function clusterAddresses(
  rangeText: string,
  reserved: readonly string[],
  random: () => number,
): ClusterAddresses {
  const range = readRange(rangeText);
  const base = toNumber(ipBytes(range.address));
  const usable = 2 ** (32 - range.prefixBits) - 2;
  const kept = new Set(reserved);
  const at = (index: number): IpAddress => fromNumber(base + 1 + index);
  return {
    range: rangeText,
    take(tx, holder) {
      const first = Math.floor(random() * usable);
      for (let i = 0; i < triesByChance + usable; i++) {
        const index = i < triesByChance ? Math.floor(random() * usable) : (first + i) % usable;
        const address = at(index);
        if (!kept.has(address) && tx.claim(scope, address, holder)) return address;
      }
      return "range-full";
    },
    takeExactly(tx, holder, text) {
      const address = parseIp(text);
      if (!address.ok) return "not-an-address";
      if (!cidrContains(range, address.value)) return "out-of-range";
      return tx.claim(scope, address.value, holder) ? address.value : "taken";
    },
    release: (tx, holder) => tx.release(scope, holder),
  };
}

function readRange(text: string): Cidr {
  const range = parseCidr(text);
  if (
    !range.ok ||
    range.value.prefixBits > 30 ||
    range.value.prefixBits < 8 ||
    range.value.address.includes(":")
  ) {
    throw new MeshError(
      "bad-input",
      `Cannot use the service range as an IPv4 range of prefix length 8 to 30: "${text}"; write it like 10.96.0.0/16`,
    );
  }
  const mask = 0xffff_ffff << (32 - range.value.prefixBits);
  const address = fromNumber((toNumber(ipBytes(range.value.address)) & mask) >>> 0);
  return { address, prefixBits: range.value.prefixBits };
}

function toNumber(bytes: Uint8Array): number {
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

function fromNumber(value: number): IpAddress {
  return formatIp(new Uint8Array([value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]));
}
