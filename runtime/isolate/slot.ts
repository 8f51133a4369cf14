/** A slot: a network with a booted, confined engine in it that knows no user code yet. Used once: it becomes an instance, or it is thrown away. */
import { closeSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Channel } from "#host/channel.ts";
import type { Clock } from "#host/clock.ts";
import { type Cgroup, type CgroupMounts, openCgroup } from "#host/linux/cgroup.ts";
import { closeFd, type Libc } from "#host/linux/libc.ts";
import { readPipe } from "#host/linux/pipe-reader.ts";
import type { Poller } from "#host/linux/poller.ts";
import {
  type Child,
  type ExitStatus,
  openPipe,
  openSocketPair,
  signals,
  spawnChild,
} from "#host/linux/spawn.ts";
import { MeshError } from "#host/mesh-error.ts";
import { openEngineChannel } from "./engine-channel.ts";
import { type EngineFiles, enginePath } from "./engine-files.ts";
import type { EngineSpan } from "./engine-protocol.ts";
import { isConfined } from "./confinement.ts";
import { type OutputLine, OutputLines, type OutputLimits, type OutputStream } from "./output.ts";
import { bundleFolder, confineSteps, enterSteps, openRoot, type SandboxLimits } from "./sandbox.ts";
import type { SlotNetwork } from "./slot-network.ts";

/** What all slots of a node share. */
export interface SlotHost {
  readonly libc: Libc;
  readonly poller: Poller;
  readonly clock: Clock;
  readonly engine: EngineFiles;
  readonly cgroupMounts: CgroupMounts;
  /** Path of the control group below which each slot gets its own. */
  readonly cgroupPath: string;
  /** User number of the slot with index 0; each slot has its own. */
  readonly uidFirst: number;
  readonly limits: SandboxLimits;
  readonly output: OutputLimits;
  /** Memory of a slot until its function says otherwise. */
  readonly memoryBytesMax: number;
  /** How long an engine may take to boot. */
  readonly bootTimeoutMs: number;
}

/** Who takes what a slot's process says. */
export interface SlotListener {
  onLine(line: OutputLine): void;
  onSpan(span: EngineSpan): void;
  /** The process ended or broke its channel's bounds; called once, before the slot is closed. */
  onChannelClosed(reason: string): void;
}

/** An open slot. */
export interface Slot {
  readonly network: SlotNetwork;
  readonly child: Child;
  readonly channel: Channel;
  readonly cgroup: Cgroup;
  /** Settles when its process has ended. */
  readonly exited: Promise<ExitStatus>;
  /** Settles when nothing of it is left. */
  readonly closed: Promise<void>;
  /** Gives its output to someone; lines that nobody takes are dropped. */
  listen(listener: SlotListener): void;
  /** Writes a file into the bundle folder. @throws Error when it does not fit */
  writeBundle(file: string, content: Uint8Array): void;
  /** Ends the process, for certain, and gives everything back. Idempotent. */
  close(): Promise<void>;
}

/** User numbers that no machine gives to people, services or containers (systemd's container range ends at 1879048191). */
export const uidFirstDefault = 2_000_000_000;

const removeTimeoutMs = 5000;

/**
 * Boots an engine in a network and waits until it is confined and ready.
 * @throws MeshError `timeout` or `unavailable` when it does not boot; nothing of it is left then but the network, which stays the caller's
 */
export async function bootSlot(host: SlotHost, network: SlotNetwork): Promise<Slot> {
  const slot = await startSlot(host, network);
  try {
    await slot.booted;
    await slot.channel.request("warm", {}, host.bootTimeoutMs);
    requireConfined(slot.child.pid);
    return slot;
  } catch (error) {
    await slot.close();
    throw error;
  }
}

async function startSlot(
  host: SlotHost,
  network: SlotNetwork,
): Promise<Slot & { readonly booted: Promise<void> }> {
  const { libc } = host;
  const cgroup = openCgroup(host.cgroupMounts, `${host.cgroupPath}/${network.uid}`, {
    memoryBytesMax: host.memoryBytesMax,
    processesMax: host.limits.threadsMax,
  });
  const born = bearEngine(host, network);
  let listener: SlotListener | undefined;
  const booted = Promise.withResolvers<void>();
  const lines = new OutputLines(host.output, host.clock, (line) => listener?.onLine(line));
  const read = (stream: OutputStream): Promise<void> =>
    new Promise((resolve) => {
      const onEnd = (): void => {
        lines.finish(stream);
        resolve();
      };
      readPipe(libc, host.poller, born[stream], { onData: (bytes) => lines.push(stream, bytes), onEnd });
    });
  // The last lines belong to the life of the process: its end is told after them.
  const exited = Promise.all([born.child.exited, read("stdout"), read("stderr")]).then(([status]) => status);
  const channel = await openEngineChannel(born.channelFd, host.clock, {
    onBooted: () => booted.resolve(),
    onSpan: (span) => listener?.onSpan(span),
    onClose(reason) {
      booted.reject(new MeshError("unavailable", `Cannot boot a slot: ${reason}`));
      listener?.onChannelClosed(reason);
    },
  });
  const closing = closerOf({ network, cgroup, child: born.child, channel, exited, rootFd: born.rootFd });
  return {
    network,
    child: born.child,
    channel,
    cgroup,
    exited,
    closed: closing.closed,
    booted: bootedInTime(host, cgroup, born.child, booted),
    listen: (taker) => void (listener = taker),
    writeBundle: (file, content) =>
      writeFileSync(`/proc/self/fd/${born.rootFd}${bundleFolder}/${file}`, content, { mode: 0o444 }),
    close: () => closing.close(),
  };
}

interface Born {
  readonly child: Child;
  readonly channelFd: number;
  readonly stdout: number;
  readonly stderr: number;
  readonly rootFd: number;
}

/** The one native call that starts the engine, with what it is given. */
function bearEngine(host: SlotHost, network: SlotNetwork): Born {
  const { libc, engine, limits } = host;
  const who = {
    uid: host.uidFirst + network.index,
    nameserver: network.nameserver,
    address: network.address,
  };
  const rootFd = openRoot(libc, engine, who, limits);
  const [out, errors, pair] = [openPipe(libc), openPipe(libc), openSocketPair(libc)];
  try {
    const child = spawnChild(libc, host.poller, {
      executable: engine.executable,
      args: ["--smol", "--no-install", enginePath],
      env: {
        HOME: "/tmp",
        TMPDIR: "/tmp",
        PATH: "/",
        BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0",
        DO_NOT_TRACK: "1",
      },
      fds: new Map([
        [1, out.write],
        [2, errors.write],
        [3, pair.theirs],
      ]),
      newNamespaces: ["mount", "pid", "ipc", "uts", "cgroup"],
      joinNamespaces: [network.namespace.fd],
      before: enterSteps(engine, rootFd),
      last: confineSteps(engine, who, limits),
    });
    return { child, channelFd: pair.ours, stdout: out.read, stderr: errors.read, rootFd };
  } catch (error) {
    for (const fd of [rootFd, out.read, errors.read, pair.ours]) closeFd(libc, fd);
    throw error;
  } finally {
    for (const fd of [out.write, errors.write, pair.theirs]) closeFd(libc, fd);
  }
}

async function bootedInTime(
  host: SlotHost,
  cgroup: Cgroup,
  child: Child,
  booted: PromiseWithResolvers<void>,
): Promise<void> {
  const timer = host.clock.after(host.bootTimeoutMs, () =>
    booted.reject(new MeshError("timeout", `Cannot boot a slot within ${host.bootTimeoutMs} ms`)),
  );
  try {
    await Promise.all([booted.promise, cgroup.join(child.pid)]);
  } finally {
    timer.cancel();
  }
}

/** The engine says that it sealed itself; the owner looks for itself, at every thread. */
function requireConfined(pid: number): void {
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    if (isConfined(readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8"))) continue;
    throw new MeshError(
      "unavailable",
      `Cannot use a slot: thread ${thread} of process ${pid} is not confined`,
    );
  }
}

function closerOf(
  parts: Pick<Slot, "network" | "cgroup" | "child" | "channel" | "exited"> & { readonly rootFd: number },
): { readonly closed: Promise<void>; close(): Promise<void> } {
  const done = Promise.withResolvers<void>();
  done.promise.catch(() => undefined); // Whoever closes it is told as well.
  let started = false;
  const run = async (): Promise<void> => {
    parts.channel.close();
    parts.cgroup.kill();
    parts.child.signal(signals.kill); // It may not have joined its group yet.
    await parts.exited;
    closeSync(parts.rootFd);
    parts.network.close();
    await parts.cgroup.remove(removeTimeoutMs);
  };
  return {
    closed: done.promise,
    close() {
      if (!started) {
        started = true;
        run().then(done.resolve, done.reject);
      }
      return done.promise;
    },
  };
}
