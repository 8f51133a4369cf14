/** What `kubectl get pods` shows of a Pod: the one word that sums up its containers, and the columns beside it. */
import { arrayOr, type JsonObject, objectOr, textOr } from "../json.ts";
import type { PrinterColumn } from "../kind.ts";
import type { WorkingObject } from "../working-object.ts";
import { age, conditionOf, isTrue, numberOr0, since, specOf, statusOf, wide, worked } from "./columns.ts";

/** Ready, status, restarts, age; wide: address, node and gates. */
export const podColumns: readonly PrinterColumn[] = [
  worked("Ready", (pod) => summaryOf(pod).ready),
  worked("Status", (pod) => summaryOf(pod).status),
  worked("Restarts", (pod, nowMs) => restartsText(summaryOf(pod), nowMs)),
  age,
  wide(worked("IP", (pod) => textOr(objectOr(arrayOr(statusOf(pod)["podIPs"])[0])["ip"]) || "<none>")),
  wide(worked("Node", (pod) => textOr(specOf(pod)["nodeName"]) || "<none>")),
  wide(worked("Nominated Node", (pod) => textOr(statusOf(pod)["nominatedNodeName"]) || "<none>")),
  wide(worked("Readiness Gates", gatesText)),
];

/** Marks the row of a Pod that has ended. */
export function endOf(pod: WorkingObject): readonly unknown[] {
  const { phase } = statusOf(pod);
  if (phase !== "Succeeded" && phase !== "Failed") return [];
  const message = phase === "Failed" ? "The pod failed." : "The pod has completed successfully.";
  return [{ type: "Completed", status: "True", reason: phase, message }];
}

/** A Pod in short. */
interface Summary {
  /** `1/2`. */
  readonly ready: string;
  readonly status: string;
  readonly restarts: number;
  /** When the container that was restarted last had ended; empty: none was, or nobody said. */
  readonly restartedAt: string;
}

/** What became of some containers. */
interface Tally {
  readonly ready: number;
  readonly restarts: number;
  readonly restartedAt: string;
}

interface InitTally extends Tally {
  /** What initialisation waits for or failed with; absent: it is over. */
  readonly status?: string;
  /** Of the containers among them that go on beside the main ones. */
  readonly sidecars: Tally;
}

function summaryOf(pod: WorkingObject): Summary {
  const init = tallyInit(pod);
  const sidecars = arrayOr(specOf(pod)["initContainers"]).filter(isSidecar).length;
  const total = arrayOr(specOf(pod)["containers"]).length + sidecars;
  const begun = textOr(statusOf(pod)["reason"]) || textOr(statusOf(pod)["phase"]);
  const scheduled = conditionOf(pod, "PodScheduled");
  const first = scheduled?.["reason"] === "SchedulingGated" ? "SchedulingGated" : begun;
  if (init.status !== undefined && !isTrue(pod, "Initialized")) {
    const status = statusWhileDeleted(pod, init.status);
    return {
      ready: `${init.ready}/${total}`,
      status,
      restarts: init.restarts,
      restartedAt: init.restartedAt,
    };
  }
  const main = tallyMain(pod, init.status ?? first);
  const { restarts, restartedAt } = init.sidecars;
  return {
    ready: `${init.ready + main.ready}/${total}`,
    status: statusWhileDeleted(pod, main.status),
    restarts: restarts + main.restarts,
    restartedAt: later(restartedAt, main.restartedAt),
  };
}

function statusWhileDeleted(pod: WorkingObject, status: string): string {
  if (pod.metadata.deletionTimestamp === undefined) return status;
  if (statusOf(pod)["reason"] === "NodeLost") return "Unknown";
  const { phase } = statusOf(pod);
  return phase === "Succeeded" || phase === "Failed" ? status : "Terminating";
}

function tallyInit(pod: WorkingObject): InitTally {
  const declared = new Map(
    arrayOr(specOf(pod)["initContainers"])
      .map(objectOr)
      .map((container) => [container["name"], container]),
  );
  const all = { ready: 0, restarts: 0, restartedAt: "" };
  const sidecars = { ready: 0, restarts: 0, restartedAt: "" };
  for (const [index, status] of arrayOr(statusOf(pod)["initContainerStatuses"]).map(objectOr).entries()) {
    const isBeside = isSidecar(declared.get(status["name"]));
    addRestarts(all, status);
    if (isBeside) addRestarts(sidecars, status);
    const waits = waitsForInit(status, isBeside, `Init:${index}/${declared.size}`);
    if (waits !== undefined) return { ...all, sidecars, status: waits };
    if (isBeside && status["ready"] === true) all.ready++;
  }
  return { ...all, sidecars };
}

/** What an init container keeps the Pod waiting for; undefined when it lets it go on. */
function waitsForInit(status: JsonObject, isBeside: boolean, progress: string): string | undefined {
  const { terminated, waiting } = stateOf(status);
  if (terminated !== undefined && numberOr0(terminated["exitCode"]) === 0) return undefined;
  if (isBeside && status["started"] === true) return undefined;
  if (terminated !== undefined) return `Init:${endText(terminated)}`;
  const reason = textOr(waiting?.["reason"]);
  return reason !== "" && reason !== "PodInitializing" ? `Init:${reason}` : progress;
}

function tallyMain(pod: WorkingObject, begun: string): Tally & { readonly status: string } {
  const tally = { ready: 0, restarts: 0, restartedAt: "" };
  let status = begun;
  let failure = "";
  // From the last to the first: the first container's word is the one that stands.
  for (const container of arrayOr(statusOf(pod)["containerStatuses"]).map(objectOr).toReversed()) {
    addRestarts(tally, container);
    const { terminated, waiting, running } = stateOf(container);
    const end = terminated === undefined ? "" : endText(terminated);
    status = textOr(waiting?.["reason"]) || end || status;
    if (end !== "" && terminated?.["exitCode"] !== 0) failure = status;
    if (container["ready"] === true && running !== undefined) tally.ready++;
  }
  return { ...tally, status: status === "Completed" ? statusOfPart(pod, tally.ready > 0, failure) : status };
}

/** The word for a Pod whose first container ran to its end. */
function statusOfPart(pod: WorkingObject, isRunning: boolean, failure: string): string {
  if (isRunning && isTrue(pod, "Ready")) return "Running";
  if (failure !== "") return failure;
  return isRunning ? "NotReady" : "Completed";
}

function endText(terminated: JsonObject): string {
  const reason = textOr(terminated["reason"]);
  if (reason !== "") return reason;
  const signal = numberOr0(terminated["signal"]);
  return signal === 0 ? `ExitCode:${numberOr0(terminated["exitCode"])}` : `Signal:${signal}`;
}

function stateOf(
  status: JsonObject,
): Readonly<Record<"terminated" | "waiting" | "running", JsonObject | undefined>> {
  const state = objectOr(status["state"]);
  const part = (name: string): JsonObject | undefined =>
    state[name] === undefined || state[name] === null ? undefined : objectOr(state[name]);
  return { terminated: part("terminated"), waiting: part("waiting"), running: part("running") };
}

function isSidecar(container: unknown): boolean {
  return objectOr(container)["restartPolicy"] === "Always";
}

function addRestarts(tally: { restarts: number; restartedAt: string }, status: JsonObject): void {
  tally.restarts += numberOr0(status["restartCount"]);
  const { finishedAt } = objectOr(objectOr(status["lastState"])["terminated"]);
  tally.restartedAt = later(tally.restartedAt, textOr(finishedAt));
}

function later(left: string, right: string): string {
  return left > right ? left : right;
}

function restartsText({ restarts, restartedAt }: Summary, nowMs: number): string {
  return restarts === 0 || restartedAt === ""
    ? String(restarts)
    : `${restarts} (${since(restartedAt, nowMs)} ago)`;
}

function gatesText(pod: WorkingObject): string {
  const gates = arrayOr(specOf(pod)["readinessGates"]).map(objectOr);
  if (gates.length === 0) return "<none>";
  const open = gates.filter((gate) => isTrue(pod, textOr(gate["conditionType"])));
  return `${open.length}/${gates.length}`;
}
