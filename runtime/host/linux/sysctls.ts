/** Settings of a network namespace below /proc/sys/net, read and written as if from within it. By bare calls: each of many Pods is asked every other second. */
import { writeFileSync } from "node:fs";
import { closeFd, type Libc } from "./libc.ts";
import { withNamespace } from "./namespaces.ts";

const valueBytesMax = 256;
const currentFolder = -100;
const closeOnExec = 0o2000000;

/** Reads settings by their paths below `/proc/sys/net`; one that this kernel does not have reads undefined. */
export function readSettings(
  libc: Libc,
  namespaceFd: number,
  names: readonly string[],
): ReadonlyMap<string, string | undefined> {
  const buffer = Buffer.alloc(valueBytesMax);
  return withNamespace(
    libc,
    namespaceFd,
    () => new Map(names.map((name) => [name, readSetting(libc, name, buffer)])),
  );
}

/** Writes settings. @throws Error naming the one that cannot be written */
export function writeSettings(libc: Libc, namespaceFd: number, settings: ReadonlyMap<string, string>): void {
  withNamespace(libc, namespaceFd, () => {
    for (const [name, value] of settings) writeFileSync(`/proc/sys/net/${name}`, value);
  });
}

function readSetting(libc: Libc, name: string, buffer: Buffer): string | undefined {
  const path = Buffer.from(`/proc/sys/net/${name}\0`);
  const fd = libc.attempt("openat", currentFolder, path, closeOnExec, 0);
  if (fd < 0) return undefined; // no such setting here
  const length = libc.attempt("read", fd, buffer, buffer.length);
  closeFd(libc, fd);
  return length < 0 ? undefined : buffer.toString("latin1", 0, length).trim();
}
