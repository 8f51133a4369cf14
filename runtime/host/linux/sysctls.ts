/** Settings of a network namespace below /proc/sys/net, read and written as if from within it. */
import { readFileSync, writeFileSync } from "node:fs";
import type { Libc } from "./libc.ts";
import { withNamespace } from "./namespaces.ts";

/** Reads settings by their paths below `/proc/sys/net`; one that this kernel does not have reads undefined. */
export function readSettings(
  libc: Libc,
  namespaceFd: number,
  names: readonly string[],
): ReadonlyMap<string, string | undefined> {
  return withNamespace(libc, namespaceFd, () => new Map(names.map((name) => [name, read(name)])));
}

/** Writes settings. @throws Error naming the one that cannot be written */
export function writeSettings(libc: Libc, namespaceFd: number, settings: ReadonlyMap<string, string>): void {
  withNamespace(libc, namespaceFd, () => {
    for (const [name, value] of settings) writeFileSync(`/proc/sys/net/${name}`, value);
  });
}

function read(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/net/${name}`, "utf8").trim();
  } catch {
    return undefined; // no such setting here
  }
}
