/** The methods of `node.sock`: who may call each, and how its parameters are read. What they do is behind {@link NodeWork}. */
import type { RevisionSpec } from "#core/release/function-spec.ts";
import type { Activation } from "./activation/activator.ts";
import type { LeaseHolder } from "./activation/instance.ts";
import type { CheckedRevision, CheckResult } from "./check.ts";
import type { LogAnswer, LogQuery } from "./logs/log-store.ts";
import type { Revision } from "./revision.ts";
import type { ProgramSubject } from "./tokens.ts";
import { type Params, readOptionalNumber, readOptionalText, readParams, readText } from "./read-params.ts";

/** An instance as told to others. */
export interface InstanceReport {
  readonly instance: string;
  /** The revision's object name. */
  readonly revision: string;
  readonly function: string;
  readonly namespace: string;
  readonly address: string;
  readonly state: "running" | "stopping";
  readonly startedAtMs: number;
  readonly rung: "pooled" | "new";
}

/** An instance that is gone, as told to others. */
export interface EndedReport {
  readonly instance: string;
  readonly namespace: string;
  readonly reason: "crash" | "oom" | "idle" | "stopped" | "load-failed";
  readonly endedAtMs: number;
}

/** What is told of a node's functions. */
export interface NodeReport {
  readonly instances: readonly InstanceReport[];
  /** Those that ended last. */
  readonly ended: readonly EndedReport[];
  readonly schedules: readonly ScheduleReport[];
}

/** A schedule as told to others. */
export interface ScheduleReport {
  readonly namespace: string;
  readonly function: string;
  readonly cron: string;
  readonly nextRunAtMs: number | undefined;
  readonly lastRunAtMs: number | undefined;
  /** `running`, `succeeded`, or `failed: …`. */
  readonly lastResult: string | undefined;
}

/** What the methods do. */
export interface NodeWork {
  activate(revision: string, isFurther: boolean, holder: LeaseHolder): Promise<Activation>;
  release(instance: string, isIdle: boolean, holder: LeaseHolder): void;
  check(revision: CheckedRevision): Promise<CheckResult>;
  report(): NodeReport;
  readLogs(query: LogQuery): Promise<LogAnswer>;
  /** The SPIFFE id of a revision's instances. */
  identityOf(revision: Revision): string;
  /** Port on which instances serve. */
  readonly port: number;
}

/** One method. */
export interface NodeMethod {
  readonly callers: ReadonlySet<ProgramSubject>;
  call(work: NodeWork, params: Params, holder: LeaseHolder): unknown;
}

const waypoints: ReadonlySet<ProgramSubject> = new Set<ProgramSubject>(["waypoint"]);
const controlPlane: ReadonlySet<ProgramSubject> = new Set<ProgramSubject>(["control-plane"]);
const observers: ReadonlySet<ProgramSubject> = new Set<ProgramSubject>(["control-plane", "admin"]);

/** Every method but `hello`, by name. */
export const nodeMethods: ReadonlyMap<string, NodeMethod> = new Map<string, NodeMethod>([
  [
    "activate",
    {
      callers: waypoints,
      async call(work, params, holder) {
        const activation = await work.activate(
          readText(params, "revision"),
          params["further"] === true,
          holder,
        );
        const { instance, rung } = activation;
        const identity = work.identityOf(instance.revision);
        return { instance: instance.id, address: instance.slot.address, port: work.port, identity, rung };
      },
    },
  ],
  [
    "release",
    {
      callers: waypoints,
      call(work, params, holder) {
        work.release(readText(params, "instance"), params["idle"] === true, holder);
        return {};
      },
    },
  ],
  ["check", { callers: controlPlane, call: (work, params) => work.check(readRevision(params)) }],
  [
    "instances",
    {
      callers: observers,
      call(work) {
        const { instances, ended } = work.report();
        return { instances, ended };
      },
    },
  ],
  ["schedules", { callers: observers, call: (work) => ({ schedules: work.report().schedules }) }],
  ["logs", { callers: observers, call: (work, params) => work.readLogs(readLogQuery(params)) }],
]);

function readRevision(params: Params): CheckedRevision {
  const revision = readParams(params["revision"]);
  // Sound: the control plane is entitled to ask, and its API has validated every revision by the kind's schema.
  const spec = readParams(revision["spec"]) as unknown as RevisionSpec;
  return { namespace: readText(revision, "namespace"), name: readText(revision, "name"), spec };
}

function readLogQuery(params: Params): LogQuery {
  const tailLines = readOptionalNumber(params, "tailLines");
  const sinceMs = readOptionalNumber(params, "sinceMs");
  const waitMs = readOptionalNumber(params, "waitMs");
  const cursor = readOptionalText(params, "cursor");
  return {
    namespace: readText(params, "namespace"),
    function: readText(params, "function"),
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(waitMs === undefined ? {} : { waitMs }),
    ...(cursor === undefined ? {} : { cursor }),
  };
}
