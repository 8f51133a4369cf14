/** Network namespaces: opening, making, and being in one for the length of a synchronous call. Not for mount or pid namespaces: children are born into those. */
import { closeSync, fstatSync, openSync, promises } from "node:fs";
import { lookup } from "node:dns/promises";
import { checked, type Libc } from "./libc.ts";

/** The kind bit of a network namespace in `setns` and `clone`. */
export const newNetwork = 0x40000000;

/** A network namespace held open by its descriptor. */
export interface NetworkNamespace extends Disposable {
  readonly fd: number;
  /** The kernel's name for it, such as `net:[4026531840]`: equal for the same namespace. */
  readonly id: string;
  close(): void;
}

/** Makes an empty network namespace: a loopback that is down, nothing else. 0.3 ms. */
export function makeNetworkNamespace(libc: Libc): NetworkNamespace {
  return adoptNetworkNamespace(
    checked("Cannot make a network namespace", libc.native.make_network_namespace(libc.homeNamespace)),
  );
}

/** Opens the namespace behind a path such as `/proc/123/ns/net`. */
export function openNetworkNamespace(path: string): NetworkNamespace {
  return adoptNetworkNamespace(openSync(path, "r"));
}

/** Owns a namespace's descriptor that came from elsewhere. */
export function adoptNetworkNamespace(fd: number): NetworkNamespace {
  let open = true;
  const close = (): void => {
    if (open) closeSync(fd);
    open = false;
  };
  return { fd, id: `net:[${fstatSync(fd).ino}]`, close, [Symbol.dispose]: close };
}

/**
 * Runs `action` with this thread in another network namespace.
 * `action` must be synchronous and make sockets only: a helper thread that Bun starts meanwhile stays there for life,
 * so a program calls {@link warmUp} before its first use. A process that cannot come back ends.
 */
export function withNamespace<T>(libc: Libc, fd: number, action: () => T): T {
  libc.call("Cannot enter a network namespace", "setns", fd, newNetwork);
  try {
    return action();
  } finally {
    if (libc.attempt("setns", libc.homeNamespace, newNetwork) < 0) process.abort();
  }
}

/** A socket made in another network namespace, close-on-exec and non-blocking; it stays there wherever it is used. */
export function socketIn(
  libc: Libc,
  namespaceFd: number,
  kind: { readonly family: number; readonly type: number; readonly protocol: number },
): number {
  const type = kind.type | 0o2004000;
  return checked(
    "Cannot make a socket in a network namespace",
    libc.native.socket_in(namespaceFd, libc.homeNamespace, kind.family, type, kind.protocol),
  );
}

/** Starts the helper threads that Bun starts lazily (HTTP client, thread pool, name look-ups), so that they live in the home namespace. */
export async function warmUp(): Promise<void> {
  using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("warm") });
  await (await fetch(server.url)).text();
  await promises.stat("/");
  await lookup("localhost").catch(() => undefined); // A machine without a hosts file has started the thread just as well.
}
