/** The life of a generic waypoint: booted and nobody's, then one Gateway's, then asleep. Told by the node runtime over descriptor 3. */
import { parseIp } from "#core/address/ip.ts";
import type { Channel } from "#host/channel.ts";
import { adoptChannel } from "#host/channel-socket.ts";
import { closeFd, type Libc } from "#host/linux/libc.ts";
import { openPidfd, takeFd } from "#host/linux/sockets.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { App } from "./app.ts";
import { rehearse } from "./rehearse.ts";
import type { Self } from "./self.ts";
import { idleEnough } from "./sleep.ts";
import type { AppPorts } from "./self.ts";

/** What the life needs. */
export interface GenericOptions extends Pick<AppPorts, "libc" | "clock" | "log"> {
  readonly channelFd: number;
  /** Makes the app of a role; its parts are loaded already. */
  readonly open: (self: Self) => App;
  /** The app is there: a signal drains it from now on. */
  readonly onApp: (app: App) => void;
}

/** Runs the life; resolves when the process should end. */
export async function liveAsGeneric(options: GenericOptions): Promise<void> {
  const { clock, log } = options;
  const over = Promise.withResolvers<void>();
  let app: App | undefined;
  const become = async (params: unknown): Promise<object> => {
    if (app !== undefined)
      throw new MeshError("conflict", "Cannot become another waypoint: this one has its role");
    const self = readRole(params, options.libc);
    app = options.open(self);
    options.onApp(app);
    await app.ready();
    app.listen();
    void sleepWhenIdle(app, channel);
    return {};
  };
  const sleepWhenIdle = async (awake: App, node: Channel): Promise<void> => {
    await idleEnough(awake, clock);
    log.info("asleep");
    // Accepting stops in this turn; what comes from now on waits in the listener for the next waypoint.
    const drained = awake.drain();
    awake.closeAdmin();
    node.notify("asleep", {});
    await drained;
    await awake.flush();
    over.resolve();
  };
  const channel = await adoptChannel(options.channelFd, {
    onRequest(method, params) {
      if (method === "specialise") return become(params);
      throw new MeshError("bad-input", `Cannot do ${method.slice(0, 50)}: a waypoint only knows specialise`);
    },
    onNotify() {},
    onClose: () => over.resolve(), // the node runtime is gone, and with it who would wake another
  });
  const answered = await rehearse(clock);
  log.debug("rehearsed", { answered });
  Bun.gc(true);
  channel.notify("booted", {});
  await over.promise;
  await app?.flush();
}

function readRole(params: unknown, libc: Libc): Self {
  const fields = (typeof params === "object" && params !== null ? params : {}) as Record<string, unknown>;
  const { namespace, name, address, listenerFd, ownerPid } = fields;
  const ip = parseIp(typeof address === "string" ? address : "");
  if (
    typeof namespace !== "string" ||
    typeof name !== "string" ||
    !ip.ok ||
    typeof listenerFd !== "number" ||
    typeof ownerPid !== "number"
  ) {
    const wanted = "namespace, name, address, listenerFd and ownerPid";
    throw new MeshError(
      "bad-input",
      `Cannot read a role as ${wanted}: ${JSON.stringify(params).slice(0, 200)}`,
    );
  }
  const pidfd = openPidfd(libc, ownerPid);
  try {
    const fd = takeFd(libc, pidfd, listenerFd);
    return { kind: "waypoint", namespace, name, address: ip.value, listen: { kind: "fd", fd } };
  } finally {
    closeFd(libc, pidfd);
  }
}
