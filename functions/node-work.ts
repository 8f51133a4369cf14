/** What the methods of `node.sock` do, with the parts of this program. */
import { formatSpiffeId } from "#core/identity/spiffe-id.ts";
import { instancePort } from "#core/release/function-spec.ts";
import { type MeshErrorCode, meshErrorCode } from "#host/mesh-error.ts";
import type { Activator } from "./activation/activator.ts";
import type { Instances } from "./activation/instances.ts";
import { type CheckDependencies, checkRevision } from "./check.ts";
import { Gate } from "./gate.ts";
import type { LogStore } from "./logs/log-store.ts";
import type { ActivationResult, NodeMetrics } from "./metrics.ts";
import type { InstanceReport, NodeWork } from "./node-methods.ts";
import type { Schedules } from "./schedules/schedules.ts";

/** The parts. */
export interface NodeParts {
  readonly trustDomain: string;
  readonly activator: Activator;
  readonly instances: Instances;
  readonly schedules: Schedules;
  readonly logs: LogStore;
  readonly metrics: NodeMetrics;
  readonly checks: CheckDependencies;
}

/** Checks take slots that activations need: few at once. */
const checkLimits = { runningMax: 2, waitingMax: 256 };

/** Puts the methods together. */
export function nodeWork(parts: NodeParts): NodeWork {
  const { activator, instances, schedules, logs, metrics, checks, trustDomain } = parts;
  const gate = new Gate(checkLimits);
  return {
    port: instancePort,
    async activate(revision, isFurther, holder) {
      try {
        const activation = await activator.activate({ revision, isFurther, holder });
        metrics.activation(activation.rung, "ok");
        return activation;
      } catch (error) {
        metrics.activation("none", resultOf(meshErrorCode(error)));
        throw error;
      }
    },
    release(instance, isIdle, holder) {
      if (isIdle) instances.releaseIdle(instance, holder);
      else instances.release(instance, holder);
    },
    check: (revision) => gate.run(() => checkRevision(checks, revision)),
    report: () => ({
      instances: reportInstances(instances),
      ended: instances.ended.map(({ id, ...rest }) => ({ instance: id, ...rest })),
      schedules: schedules.report(),
    }),
    readLogs: (query) => logs.read(query),
    identityOf: ({ namespace, spec }) =>
      formatSpiffeId({ trustDomain, namespace, serviceAccount: spec.serviceAccountName }),
  };
}

/** The instances as they are told to others. */
export function reportInstances(instances: Instances): InstanceReport[] {
  return instances.list().map(({ instance, state }) => ({
    instance: instance.id,
    revision: instance.revision.name,
    function: instance.revision.spec.function,
    namespace: instance.revision.namespace,
    address: instance.slot.address,
    state,
    startedAtMs: instance.startedAtMs,
    rung: instance.rung,
  }));
}

function resultOf(code: MeshErrorCode | undefined): ActivationResult {
  return (code === undefined ? undefined : results[code]) ?? "failed";
}

const results: Readonly<Partial<Record<MeshErrorCode, ActivationResult>>> = {
  "not-found": "not-found",
  "limit-reached": "limit-reached",
  timeout: "timeout",
  unavailable: "load-failed",
};
