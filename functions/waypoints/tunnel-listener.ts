/** A gateway's tunnel listener as a real socket: bound here, watched without accepting, adopted by the waypoint that is awake. */
import { parseIp } from "#core/address/ip.ts";
import { closeFd, type Libc } from "#host/linux/libc.ts";
import type { Poller } from "#host/linux/poller.ts";
import { startListen } from "#host/linux/sockets.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { OpenListener } from "./waypoint-port.ts";

/** Port of tunnels. */
const tunnelPort = 15008;
/** Connections that may wait while a waypoint wakes. */
const backlog = 1024;

/** Opens listeners in this program's network namespace. */
export function tunnelListeners(libc: Libc, poller: Poller): OpenListener {
  return (address, onWaiting) => {
    const ip = parseIp(address);
    if (!ip.ok) throw new MeshError("bad-input", ip.error);
    const at = { address: ip.value, port: tunnelPort };
    const fd = startListen(libc, libc.homeNamespace, at, { backlog });
    let isArmed = false;
    let isWatched = true;
    const watch = poller.watch(fd, "readable", () => {
      isWatched = false;
      if (!isArmed) return;
      isArmed = false;
      onWaiting();
    });
    const close = (): void => {
      isArmed = false;
      watch.close();
      closeFd(libc, fd);
    };
    return {
      fd,
      arm() {
        isArmed = true;
        if (!isWatched) watch.rearm();
        isWatched = true;
      },
      disarm: () => void (isArmed = false),
      close,
      [Symbol.dispose]: close,
    };
  };
}
