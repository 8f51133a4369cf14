/** What a workload's controller decides to do: values that its shell carries out in order; nothing is done here. */
import type { Draft, KubeObject, ObjectKey, ResourceType } from "#host/kube/object.ts";

/** What happened to an object, for its readers. */
export interface EventDraft {
  readonly about: KubeObject;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  /** `{name}` stands for the name of what was made, `{error}` for why it was not. */
  readonly message: string;
}

/** What is said of an action once it is done, or failed. */
export interface Saying {
  readonly onDone?: EventDraft;
  readonly onFailure?: EventDraft;
}

/** One thing to do. */
export type WorkloadAction =
  | {
      readonly kind: "create";
      readonly type: ResourceType;
      readonly draft: Draft<KubeObject>;
      readonly saying?: Saying;
    }
  | {
      readonly kind: "delete";
      readonly type: ResourceType;
      readonly key: ObjectKey;
      readonly uid: string;
      /** Absent: as long as the object asks for. */
      readonly graceSeconds?: number;
      /** Absent: as the kind has it. */
      readonly propagation?: "Foreground";
      readonly saying?: Saying;
    }
  /** A merge patch. */
  | {
      readonly kind: "patch";
      readonly type: ResourceType;
      readonly key: ObjectKey;
      readonly value: object;
      readonly saying?: Saying;
    }
  /** The whole status. */
  | { readonly kind: "status"; readonly type: ResourceType; readonly key: ObjectKey; readonly status: object }
  | { readonly kind: "event"; readonly event: EventDraft };

/** What to do now, and when to look again though nothing changed. */
export interface Decision {
  readonly actions: readonly WorkloadAction[];
  readonly againMs?: number;
}

/** Nothing to do. */
export const nothing: Decision = { actions: [] };

/** What names an object in its API. */
export function keyOf({ metadata: { namespace, name } }: KubeObject): ObjectKey {
  return namespace === undefined ? { name } : { namespace, name };
}

/** The sooner of two times to look again. */
export function sooner(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined) return other;
  return other === undefined ? one : Math.min(one, other);
}

/** A decision of actions and perhaps a time. */
export function decision(actions: readonly WorkloadAction[], againMs?: number): Decision {
  return againMs === undefined ? { actions } : { actions, againMs: Math.max(1, againMs) };
}
