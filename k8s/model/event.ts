/** The v1 Event as our programs read and write it. */
import type { KubeObject, NamespacedMeta, ResourceType } from "#host/kube/object.ts";

/** What an Event is about. */
export interface ObjectReference {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly fieldPath?: string;
}

/** Something that happened, as `kubectl describe` tells it. */
export interface EventObject extends KubeObject {
  readonly metadata: NamespacedMeta;
  readonly involvedObject: ObjectReference;
  readonly type?: "Normal" | "Warning";
  /** One CamelCase word. */
  readonly reason?: string;
  readonly message?: string;
  readonly source?: { readonly component?: string; readonly host?: string };
  readonly reportingComponent?: string;
  readonly reportingInstance?: string;
  readonly firstTimestamp?: string | null;
  readonly lastTimestamp?: string | null;
  readonly eventTime?: string | null;
  readonly count?: number;
}

/** v1 Event. */
export const eventResource: ResourceType<EventObject> = {
  group: "",
  version: "v1",
  resource: "events",
  kind: "Event",
  namespaced: true,
};
