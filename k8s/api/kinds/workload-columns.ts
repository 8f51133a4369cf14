/** What `kubectl get` shows of the kinds that make Pods. */
import { arrayOr, type JsonObject, objectOr, textOr } from "../json.ts";
import type { PrinterColumn } from "../kind.ts";
import { humanDuration } from "../human-duration.ts";
import type { WorkingObject } from "../working-object.ts";
import {
  age,
  count,
  isTrue,
  labelsText,
  numberOr0,
  selectorText,
  specOf,
  statusOf,
  wide,
  worked,
} from "./columns.ts";

function containersOf(object: WorkingObject): readonly JsonObject[] {
  const template = objectOr(specOf(object)["template"]);
  return arrayOr(specOf(template)["containers"]).map(objectOr);
}

function containersText(field: string): (object: WorkingObject) => string {
  return (object) =>
    containersOf(object)
      .map((container) => textOr(container[field]))
      .join(",");
}

function ofStatus(field: string): (object: WorkingObject) => number {
  return (object) => numberOr0(statusOf(object)[field]);
}

const desired = (object: WorkingObject): number => numberOr0(specOf(object)["replicas"]);

const ready = worked("Ready", (object) => `${ofStatus("readyReplicas")(object)}/${desired(object)}`);

const containers = [
  wide(worked("Containers", containersText("name"))),
  wide(worked("Images", containersText("image"))),
];

const selector = wide(worked("Selector", (object) => selectorText(specOf(object)["selector"]) || "<none>"));

/** apps/v1 Deployment. */
export const deploymentColumns: readonly PrinterColumn[] = [
  ready,
  worked("Up-to-date", ofStatus("updatedReplicas")),
  worked("Available", ofStatus("availableReplicas")),
  age,
  ...containers,
  wide(worked("Selector", (object) => selectorText(specOf(object)["selector"]))),
];

/** apps/v1 ReplicaSet. */
export const replicaSetColumns: readonly PrinterColumn[] = [
  count("Desired", desired),
  count("Current", ofStatus("replicas")),
  count("Ready", ofStatus("readyReplicas")),
  age,
  ...containers,
  selector,
];

/** apps/v1 StatefulSet. */
export const statefulSetColumns: readonly PrinterColumn[] = [ready, age, ...containers];

/** apps/v1 DaemonSet. */
export const daemonSetColumns: readonly PrinterColumn[] = [
  count("Desired", ofStatus("desiredNumberScheduled")),
  count("Current", ofStatus("currentNumberScheduled")),
  count("Ready", ofStatus("numberReady")),
  count("Up-to-date", ofStatus("updatedNumberScheduled")),
  count("Available", ofStatus("numberAvailable")),
  worked("Node Selector", (object) =>
    labelsText(specOf(objectOr(specOf(object)["template"]))["nodeSelector"]),
  ),
  age,
  ...containers,
  selector,
];

/** batch/v1 Job. */
export const jobColumns: readonly PrinterColumn[] = [
  worked("Status", jobStatus),
  worked("Completions", completionsText),
  worked("Duration", durationText),
  age,
  ...containers,
  selector,
];

function jobStatus(job: WorkingObject): string {
  if (isTrue(job, "Complete")) return "Complete";
  if (isTrue(job, "Failed")) return "Failed";
  if (job.metadata.deletionTimestamp !== undefined) return "Terminating";
  const state = ["Suspended", "FailureTarget", "SuccessCriteriaMet"].find((type) => isTrue(job, type));
  return state ?? "Running";
}

function completionsText(job: WorkingObject): string {
  const { completions, parallelism } = specOf(job);
  const succeeded = numberOr0(statusOf(job)["succeeded"]);
  if (typeof completions === "number") return `${succeeded}/${completions}`;
  const parallel = numberOr0(parallelism);
  return parallel > 1 ? `${succeeded}/1 of ${parallel}` : `${succeeded}/1`;
}

function durationText(job: WorkingObject, nowMs: number): string {
  const { startTime, completionTime } = statusOf(job);
  const startMs = Date.parse(textOr(startTime));
  if (Number.isNaN(startMs)) return "";
  const endMs = Date.parse(textOr(completionTime));
  return humanDuration(((Number.isNaN(endMs) ? nowMs : endMs) - startMs) / 1000);
}

/** apps/v1 ControllerRevision. */
export const controllerRevisionColumns: readonly PrinterColumn[] = [
  worked("Controller", controllerText),
  count("Revision", (object) => numberOr0(object["revision"])),
  age,
];

function controllerText({ metadata }: WorkingObject): string {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  if (owner === undefined) return "<none>";
  const [group = ""] = owner.apiVersion.split("/");
  return `${owner.kind.toLowerCase()}.${group}/${owner.name}`;
}
