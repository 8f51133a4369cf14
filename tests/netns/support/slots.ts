/** A slot host on this machine for tests, each with its own control group; closed with everything it made. */
import { type IpAddress, parseCidr, parseIp } from "#core/address/ip.ts";
import { systemClock } from "#host/clock.ts";
import { openCgroup, readCgroupMounts } from "#host/linux/cgroup.ts";
import { closeLibc, openLibc } from "#host/linux/libc.ts";
import { warmUp } from "#host/linux/namespaces.ts";
import { openPoller } from "#host/linux/poller.ts";
import { silentLog } from "#host/log.ts";
import { loadEngineFiles } from "#isolate/engine-files.ts";
import { defaultOutputLimits } from "#isolate/output.ts";
import { defaultPoolOptions, type PoolListener, type PoolOptions, SlotPool } from "#isolate/pool.ts";
import { defaultSandboxLimits } from "#isolate/sandbox.ts";
import type { SlotHost } from "#isolate/slot.ts";

/** What {@link openTestSlots} gives. */
export interface TestSlots extends AsyncDisposable {
  readonly host: SlotHost;
  /** A pool over the range, closed with the rest; not started. */
  pool(options?: Partial<PoolOptions>, listener?: PoolListener): SlotPool;
}

/** The nameserver's address in test slots. */
export const testNameserver: IpAddress = mustParse("10.96.0.10");

/** Opens a host for slots. */
export async function openTestSlots(): Promise<TestSlots> {
  const libc = openLibc();
  await warmUp();
  const poller = await openPoller(libc);
  const cgroupMounts = readCgroupMounts();
  const cgroupPath = `lambient-test-${process.pid}-${crypto.randomUUID().slice(0, 8)}`;
  const cgroup = openCgroup(cgroupMounts, cgroupPath);
  const pools: SlotPool[] = [];
  const host: SlotHost = {
    libc,
    poller,
    clock: systemClock,
    engine: await loadEngineFiles(),
    cgroupMounts,
    cgroupPath,
    uidFirst: 2_000_000_000 + Math.floor(Math.random() * 1000) * 10_000,
    limits: defaultSandboxLimits,
    output: defaultOutputLimits,
    memoryBytesMax: 256 << 20,
    bootTimeoutMs: 10_000,
  };
  return {
    host,
    pool(options = {}, listener = nobody) {
      const range = parseCidr("10.244.0.0/25");
      if (!range.ok) throw new Error(range.error);
      const pool = new SlotPool(
        host,
        { ...defaultPoolOptions, range: range.value, nameserver: testNameserver, ...options },
        listener,
        silentLog,
      );
      pools.push(pool);
      return pool;
    },
    async [Symbol.asyncDispose]() {
      for (const pool of pools) await pool.close();
      await cgroup.remove(5000);
      poller.close();
      closeLibc(libc);
    },
  };
}

const nobody: PoolListener = { prepare: async () => undefined, gone: () => undefined };

function mustParse(text: string): IpAddress {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}
