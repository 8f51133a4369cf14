/** A waypoint's real process: spawned with a channel as its descriptor 3, told its role, watched to its end. */
import { adoptChannel } from "#host/channel-socket.ts";
import type { Channel } from "#host/channel.ts";
import type { Clock } from "#host/clock.ts";
import { closeFd, type Libc } from "#host/linux/libc.ts";
import type { Poller } from "#host/linux/poller.ts";
import { type Child, openSocketPair, signals, spawnChild } from "#host/linux/spawn.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { StartWaypoint, WaypointEnd, WaypointProcess, WaypointRole } from "./waypoint-port.ts";

/** How waypoints are started. */
export interface WaypointProcessOptions {
  readonly libc: Libc;
  readonly poller: Poller;
  readonly clock: Clock;
  /** Path of `waypoint/main.ts`. */
  readonly entry: string;
  /** The flags that every program gets. */
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Longest boot, and longest way from its role to accepting. */
  readonly bootTimeoutMs: number;
  /** From asking it to end to killing it. */
  readonly stopMs: number;
}

/** Starts waypoints whose output goes where this program's goes. */
export function waypointStarter(options: WaypointProcessOptions): StartWaypoint {
  return () => startWaypoint(options);
}

async function startWaypoint(options: WaypointProcessOptions): Promise<WaypointProcess> {
  const { libc, poller, entry, flags, env } = options;
  const pair = openSocketPair(libc);
  let child: Child;
  try {
    child = spawnChild(libc, poller, {
      executable: process.execPath,
      args: [entry, "--generic", ...flags],
      env,
      fds: new Map([
        [1, 2],
        [2, 2],
        [3, pair.theirs],
      ]),
    });
  } catch (error) {
    closeFd(libc, pair.ours);
    throw error;
  } finally {
    closeFd(libc, pair.theirs);
  }
  return bootedOf(child, pair.ours, options);
}

async function bootedOf(child: Child, fd: number, options: WaypointProcessOptions): Promise<WaypointProcess> {
  const booted = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<WaypointEnd>();
  const channel = await adoptChannel(fd, {
    onRequest: (method) => {
      throw new MeshError(
        "bad-input",
        `Cannot do ${method.slice(0, 50)} for a waypoint here: ask on node.sock`,
      );
    },
    onNotify(method) {
      if (method === "booted") booted.resolve();
      if (method === "asleep") ended.resolve({ kind: "asleep" });
    },
    onClose: () => undefined, // its exit is what counts
  });
  void child.exited.then((status) => {
    const reason = status.kind === "exited" ? `exit code ${status.code}` : `signal ${status.signal}`;
    channel.close();
    booted.reject(new MeshError("unavailable", `Cannot boot a waypoint: it ended with ${reason}`));
    ended.resolve({ kind: "gone", reason });
  });
  const { clock, bootTimeoutMs } = options;
  const timer = clock.after(bootTimeoutMs, () => {
    booted.reject(new MeshError("timeout", `Cannot boot a waypoint within ${bootTimeoutMs} ms`));
    child.signal(signals.kill);
  });
  try {
    await booted.promise;
  } finally {
    timer.cancel();
  }
  return processOf(child, channel, ended.promise, options);
}

function processOf(
  child: Child,
  channel: Channel,
  ended: Promise<WaypointEnd>,
  { clock, bootTimeoutMs, stopMs }: WaypointProcessOptions,
): WaypointProcess {
  return {
    pid: child.pid,
    ended,
    async specialise(role: WaypointRole) {
      await channel.request("specialise", role, bootTimeoutMs);
    },
    async stop() {
      child.signal(signals.terminate);
      const timer = clock.after(stopMs, () => child.signal(signals.kill));
      await child.exited;
      timer.cancel();
    },
  };
}
