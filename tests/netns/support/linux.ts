/** Short forms for tests of the kernel's parts. */
import { type Cidr, type IpAddress, parseCidr, parseIp } from "#core/address/ip.ts";
import type { Libc } from "#host/linux/libc.ts";
import { readPipe } from "#host/linux/pipe-reader.ts";
import type { Poller } from "#host/linux/poller.ts";

/** An address written in a test. */
export function ip(text: string): IpAddress {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

/** A range written in a test. */
export function range(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

/** Waits until a descriptor is readable. */
export function readable(poller: Poller, fd: number): Promise<void> {
  return new Promise((resolve) => {
    const watch = poller.watch(fd, "readable", () => {
      watch.close();
      resolve();
    });
  });
}

/** Reads a pipe or socket to its end and closes it. */
export function readAll(libc: Libc, poller: Poller, fd: number): Promise<string> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    readPipe(libc, poller, fd, {
      onData: (bytes) => parts.push(Buffer.from(bytes)),
      onEnd: () => resolve(Buffer.concat(parts).toString("utf8")),
    });
  });
}
