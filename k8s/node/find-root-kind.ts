/** Finds out, by trying, how containers on this machine get a root that they may write to. */
import { existsSync } from "node:fs";
import type { Libc } from "#host/linux/libc.ts";
import type { Poller } from "#host/linux/poller.ts";
import { spawnChild } from "#host/linux/spawn.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import { overlaySteps, type RootKind } from "./kubelet/container-root.ts";

const trialBytes = 1 << 20;
const programs = ["/bin/true", "/usr/bin/true"];

/** Has a child mount an overlay over the machine's root, in a namespace that ends with it. */
export async function findRootKind(libc: Libc, poller: Poller, log: Log): Promise<RootKind> {
  try {
    const child = spawnChild(libc, poller, {
      executable: programs.find((path) => existsSync(path)) ?? process.execPath,
      args: [],
      env: {},
      fds: new Map(),
      newNamespaces: ["mount"],
      before: [
        { what: "Cannot make mounts private", name: "mount", args: ["none", "/", "none", 0x44000, 0] },
        ...overlaySteps(trialBytes),
      ],
    });
    await child.exited;
    return "overlay";
  } catch (error) {
    log.warn("containers get a read-only root", { reason: errorText(error) });
    return "bound";
  }
}
