/** What the streams of a Pod need to know of it, read from the object with care: any client may have written it. */

/** A container of a Pod's spec. */
export interface ContainerView {
  readonly name: string;
  readonly stdin: boolean;
}

/** Where a container is, out of its status. */
export interface ContainerState {
  readonly name: string;
  readonly kind: "waiting" | "running" | "terminated" | "unknown";
  /** Why it waits. */
  readonly reason: string;
  /** The present or last instance ended, and had been started. */
  readonly hasEnded: boolean;
  /** An instance before the present one had been started, and ended. */
  readonly hadInstance: boolean;
  /** There was such an instance, started or not. */
  readonly hasLast: boolean;
}

/** See the file's head. */
export interface PodView {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  /** Empty: not bound to a node. */
  readonly nodeName: string;
  readonly phase: string;
  /** Init containers, then the others, as Kubernetes lists them. */
  readonly containers: readonly ContainerView[];
  /** How many of them are neither init nor ephemeral ones. */
  readonly mainContainers: readonly ContainerView[];
  readonly states: readonly ContainerState[];
  /** Of a Pod that shows a function's instance: which one, and the function. */
  readonly instance: { readonly id: string; readonly function: string } | undefined;
}

/** The label and the annotation of Pods that show functions' instances. */
const functionLabel = "lambient.dev/function";
const instanceAnnotation = "lambient.dev/instance";

/** Reads a Pod. */
export function viewPod(object: unknown): PodView {
  const pod = fieldsOf(object);
  const metadata = fieldsOf(pod["metadata"]);
  const spec = fieldsOf(pod["spec"]);
  const status = fieldsOf(pod["status"]);
  const main = listOf(spec["containers"]).map(viewContainer);
  const others = ["initContainers", "ephemeralContainers"].map((field) =>
    listOf(spec[field]).map(viewContainer),
  );
  const instance = text(fieldsOf(metadata["annotations"])[instanceAnnotation]);
  const statuses = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
  return {
    name: text(metadata["name"]),
    namespace: text(metadata["namespace"]),
    uid: text(metadata["uid"]),
    nodeName: text(spec["nodeName"]),
    phase: text(status["phase"]),
    containers: [...(others[0] ?? []), ...main, ...(others[1] ?? [])],
    mainContainers: main,
    states: statuses.flatMap((field) => listOf(status[field]).map(viewState)),
    instance:
      instance === ""
        ? undefined
        : { id: instance, function: text(fieldsOf(metadata["labels"])[functionLabel]) },
  };
}

function viewContainer(value: unknown): ContainerView {
  const container = fieldsOf(value);
  return {
    name: text(container["name"]),
    stdin: container["stdin"] === true,
  };
}

function viewState(value: unknown): ContainerState {
  const status = fieldsOf(value);
  const state = fieldsOf(status["state"]);
  const last = fieldsOf(status["lastState"])["terminated"];
  const kinds = ["running", "terminated", "waiting"] as const;
  return {
    name: text(status["name"]),
    kind: kinds.find((kind) => isPresent(state[kind])) ?? "unknown",
    reason: text(fieldsOf(state["waiting"])["reason"]),
    hasEnded: text(fieldsOf(state["terminated"])["containerID"]) !== "",
    hadInstance: text(fieldsOf(last)["containerID"]) !== "",
    hasLast: isPresent(last),
  };
}

function isPresent(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  // Sound: any object can be read by key, and each value read is checked.
  return isPresent(value) ? (value as Record<string, unknown>) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
