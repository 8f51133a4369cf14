/** The kernel's side of the node runtime: calls, readiness, the control group in which its slots live. */
import type { Clock } from "#host/clock.ts";
import { type Cgroup, openCgroup, readCgroupMounts } from "#host/linux/cgroup.ts";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { openPoller, type Poller } from "#host/linux/poller.ts";
import { loadEngineFiles } from "#isolate/engine-files.ts";
import { defaultOutputLimits } from "#isolate/output.ts";
import { defaultSandboxLimits } from "#isolate/sandbox.ts";
import { type SlotHost, uidFirstDefault } from "#isolate/slot.ts";

/** See the file's opening. */
export interface Engine {
  readonly libc: Libc;
  readonly poller: Poller;
  readonly host: SlotHost;
  /** Ends everything that is still in a slot. */
  close(): Promise<void>;
}

const bootTimeoutMs = 10_000;
const removeTimeoutMs = 2000;
/** Memory of a slot that is nobody's yet. */
const spareMemoryBytesMax = 256 << 20;

/** Opens it, and ends what an earlier run of this program left in slots. */
export async function openEngine(cgroup: string, clock: Clock): Promise<Engine> {
  const libc = openLibc();
  const poller = await openPoller(libc);
  const cgroupMounts = readCgroupMounts();
  const cgroupPath = `${cgroup}/slots`;
  const slots = openCgroup(cgroupMounts, cgroupPath);
  await sweep(slots);
  openCgroup(cgroupMounts, cgroupPath);
  const host: SlotHost = {
    libc,
    poller,
    clock,
    engine: await loadEngineFiles(),
    cgroupMounts,
    cgroupPath,
    uidFirst: uidFirstDefault,
    limits: defaultSandboxLimits,
    output: defaultOutputLimits,
    memoryBytesMax: spareMemoryBytesMax,
    bootTimeoutMs,
  };
  return {
    libc,
    poller,
    host,
    async close() {
      await sweep(slots);
      poller.close();
      closeLibc(libc);
    },
  };
}

async function sweep(slots: Cgroup): Promise<void> {
  slots.kill();
  await slots.remove(removeTimeoutMs);
}
