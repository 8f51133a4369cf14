/** Which names outside the mesh led one workload to which addresses, for egress lists of names; bounded, and forgotten in time. */
import type { IpAddress } from "#core/address/ip.ts";
import type { AnsweredAddress } from "#core/dns/message.ts";

/** What a workload's name server answered. */
export interface OutsideNames {
  /** The names that led to the address. */
  namesOf(ip: IpAddress): Iterable<string>;
  record(name: string, addresses: readonly AnsweredAddress[]): void;
}

/** Addresses remembered; the oldest goes first. */
const addressesMax = 1024;
/** Names of one address. */
const namesMax = 32;
/** Programs keep addresses beyond their time to live: a pool of connections reconnects to what it looked up once. */
const graceMs = 600_000;

/** Remembers nothing yet. */
export function makeOutsideNames(nowMs: () => number): OutsideNames {
  const untilByName = new Map<IpAddress, Map<string, number>>();
  return {
    namesOf(ip) {
      const at = nowMs();
      const names = untilByName.get(ip) ?? [];
      return [...names].flatMap(([name, untilMs]) => (untilMs > at ? [name] : []));
    },
    record(name, addresses) {
      for (const { ip, ttlSeconds } of addresses) {
        const names = untilByName.get(ip) ?? new Map<string, number>();
        // Taken out and put back, so that the map's order is that of use.
        untilByName.delete(ip);
        untilByName.set(ip, names);
        names.delete(name);
        names.set(name, nowMs() + ttlSeconds * 1000 + graceMs);
        dropOldest(names, namesMax);
      }
      dropOldest(untilByName, addressesMax);
    },
  };
}

function dropOldest<Key>(map: Map<Key, unknown>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return;
    map.delete(key);
  }
}
