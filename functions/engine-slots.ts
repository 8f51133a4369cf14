/** The function engine's slots behind the port of activation: each is made known to ztunnel as soon as its network exists. */
import { ipBytes } from "#core/address/ip.ts";
import { instancePort, type RevisionSpec } from "#core/release/function-spec.ts";
import type { Clock } from "#host/clock.ts";
import type { Log } from "#host/log.ts";
import { errorText, MeshError, meshErrorCode } from "#host/mesh-error.ts";
import type { EngineSpan, Specialise } from "#isolate/engine-protocol.ts";
import {
  type ExitReason as EngineExit,
  type Instance,
  placeBundle,
  startInstance,
} from "#isolate/instance.ts";
import type { OutputLine } from "#isolate/output.ts";
import { type PoolOptions, SlotPool } from "#isolate/pool.ts";
import type { Slot as EngineSlot, SlotHost } from "#isolate/slot.ts";
import type {
  ExitReason,
  LoadedFunction,
  LoadRequest,
  ScheduledCall,
  Slot,
  SlotSource,
  TakenSlot,
} from "./activation/slot-port.ts";
import type { SlotAssignment } from "./zds/zds-message.ts";
import type { ZdsServer } from "./zds/zds-server.ts";

/** What slots need. */
export interface EngineSlotsOptions {
  readonly host: SlotHost;
  readonly pool: PoolOptions;
  readonly zds: ZdsServer;
  readonly clock: Clock;
  readonly log: Log;
  /** How long a function that is told to stop may go on with what it has begun. */
  readonly graceMs: number;
  readonly onLine: (request: LoadRequest, line: OutputLine) => void;
  readonly onSpan: (request: LoadRequest, span: EngineSpan) => void;
}

/** See the file's opening. */
export class EngineSlots implements SlotSource {
  readonly #options: EngineSlotsOptions;
  readonly #pool: SlotPool;

  constructor(options: EngineSlotsOptions) {
    const { host, pool, zds, log } = options;
    this.#options = options;
    const listener = {
      async prepare(network: EngineSlot["network"]): Promise<void> {
        const { uid, namespace, mapFd } = network;
        const [address, nameserver] = [ipBytes(network.address), ipBytes(network.nameserver)];
        zds.add({ uid, address, nameserver, fds: [namespace.fd, mapFd] });
        try {
          await zds.whenPrepared(uid);
        } catch (error) {
          zds.remove(uid);
          throw error;
        }
      },
      gone: ({ uid }: EngineSlot["network"]): void => zds.remove(uid),
    };
    this.#pool = new SlotPool(host, pool, listener, log);
  }

  /** Slots that are ready now. */
  get ready(): number {
    return this.#pool.readyCount;
  }

  /** Slots that exist. */
  get open(): number {
    return this.#pool.openCount;
  }

  /** Starts making slots. */
  start(): void {
    this.#pool.start();
  }

  async take(timeoutMs: number): Promise<TakenSlot> {
    const { slot, rung } = await this.#pool.take(timeoutMs);
    return { slot: new TakenEngineSlot(slot, this.#options), rung };
  }

  /** Ends every slot. */
  close(): Promise<void> {
    return this.#pool.close();
  }
}

class TakenEngineSlot implements Slot {
  readonly #slot: EngineSlot;
  readonly #options: EngineSlotsOptions;

  constructor(slot: EngineSlot, options: EngineSlotsOptions) {
    this.#slot = slot;
    this.#options = options;
  }

  get uid(): string {
    return this.#slot.network.uid;
  }

  get address(): string {
    return this.#slot.network.address;
  }

  assign(assignment: SlotAssignment): Promise<void> {
    return this.#options.zds.assign(this.uid, assignment);
  }

  place(bundle: Uint8Array, { limits }: RevisionSpec): void {
    try {
      placeBundle(this.#slot, { bundle, memoryBytesMax: limits.memoryMb * (1 << 20) });
    } catch (error) {
      throw new MeshError("unavailable", `load failed: ${errorText(error)}`, error);
    }
  }

  async load(request: LoadRequest): Promise<LoadedFunction> {
    const { clock, graceMs, onLine, onSpan } = this.#options;
    const exited = Promise.withResolvers<ExitReason>();
    try {
      const instance = await startInstance(this.#slot, {
        function: roleOf(request),
        activationTimeoutMs: request.timeoutMs,
        clock,
        onLine: (line) => onLine(request, line),
        onSpan: (span) => onSpan(request, span),
        onExit: (reason) => exited.resolve(exitReason(reason)),
      });
      return loadedOf(instance, exited.promise, graceMs);
    } catch (error) {
      throw asLoadError(error, request);
    }
  }

  destroy(): Promise<void> {
    return this.#slot.close();
  }
}

function loadedOf(instance: Instance, exited: Promise<ExitReason>, graceMs: number): LoadedFunction {
  return {
    handlers: instance.exports,
    exited,
    async runScheduled({ cron, scheduledAtMs, traceparent, timeoutMs }: ScheduledCall) {
      const call = { cron, scheduledTime: scheduledAtMs, traceparent };
      const result = await instance.runScheduled(call, timeoutMs);
      if (result.kind === "failed") throw new MeshError("unavailable", result.message);
    },
    stop: (reason) => instance.stop(reason, graceMs),
  };
}

function roleOf({ namespace, revision, spec, env }: LoadRequest): Omit<Specialise, "file"> {
  const bindings = spec.bindings.map((binding) => ({
    name: binding.name,
    function: binding.function,
    namespace: binding.namespace ?? namespace,
  }));
  return { port: instancePort, env, bindings, function: spec.function, namespace, revision };
}

function exitReason(reason: EngineExit): ExitReason {
  switch (reason.kind) {
    case "stopped":
      return reason.why === "idle" ? "idle" : "stopped";
    case "crashed":
    case "protocol-violation":
      return "crash";
    case "out-of-memory":
      return "oom";
    case "load-failed":
      return "load-failed";
  }
  return reason satisfies never;
}

function asLoadError(error: unknown, { timeoutMs }: LoadRequest): MeshError {
  if (meshErrorCode(error) === "timeout") {
    const waitedMs = Math.round(timeoutMs);
    return new MeshError(
      "timeout",
      `load failed: the bundle's import did not settle within ${waitedMs} ms`,
      error,
    );
  }
  return new MeshError("unavailable", `load failed: ${errorText(error)}`, error);
}
