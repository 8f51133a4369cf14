/** Being told that rules or routes of a network namespace have changed; what they are now is asked elsewhere. */
import { closeFd, type Libc } from "./libc.ts";
import { socketIn } from "./namespaces.ts";
import type { Poller } from "./poller.ts";

/** Groups of route netlink: IPv4 routes and rules, IPv6 rules. */
const groups = (1 << 6) | (1 << 7) | (1 << 18);
const datagramBytesMax = 16 << 10;

/** Calls `onChange` after each burst of changes, one's own included, until it is disposed. */
export function watchRouting(
  libc: Libc,
  poller: Poller,
  namespaceFd: number,
  onChange: () => void,
): Disposable {
  const fd = socketIn(libc, namespaceFd, { family: 16, type: 3, protocol: 0 });
  const address = Buffer.alloc(12);
  address.writeUInt16LE(16, 0);
  address.writeUInt32LE(groups, 8);
  try {
    libc.call("Cannot watch the routing of a network namespace", "bind", fd, address, address.length);
  } catch (error) {
    closeFd(libc, fd);
    throw error;
  }
  const buffer = Buffer.alloc(datagramBytesMax);
  const watch = poller.watch(fd, "readable", () => {
    // ENOBUFS tells of lost news, which is news; EAGAIN ends the burst.
    while (libc.attempt("recvfrom", fd, buffer, buffer.length, 0, null, null) !== -tryAgain);
    watch.rearm();
    onChange();
  });
  return {
    [Symbol.dispose]() {
      watch.close();
      closeFd(libc, fd);
    },
  };
}

const tryAgain = 11;
