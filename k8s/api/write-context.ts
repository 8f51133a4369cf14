/** What every write needs beside its object: the store, the time, chance; and how the client wants it done. */
import type { KindDefinition } from "./kind.ts";
import type { ObjectStore } from "./object-store.ts";
import type { WorkingObject } from "./working-object.ts";

/** What a write works with. */
export interface WriteContext {
  readonly store: ObjectStore;
  readonly nowMs: () => number;
  readonly random: () => number;
  readonly newUid: () => string;
  /** What Pods verify this API by; absent: they get no token of their account. */
  readonly rootCertificate?: string;
}

/** What a request is about. */
export interface Target {
  readonly kind: KindDefinition;
  /** Version of the kind that the client speaks. */
  readonly version: string;
  /** Empty for kinds of no namespace. */
  readonly namespace: string;
}

/** How a write is to be done. */
export interface WriteOptions {
  /** Everything but the commit. */
  readonly dryRun?: boolean;
  /** What becomes of unknown fields; the kind says when absent. */
  readonly unknownFields?: "Strict" | "Warn" | "Ignore";
  /** What the client sent twice, as it is told. */
  readonly duplicates?: readonly string[];
  /** Which part of the object is written, and how. Default all but the status. */
  readonly subresource?: "status" | "scale";
  /** Whose the written fields are, for `metadata.managedFields`; absent: nobody's. */
  readonly manager?: string;
  /** What others have to say about it; absent: nothing. */
  readonly steps?: WriteSteps;
}

/** Where admission takes part in a write, within its transaction. */
export interface WriteSteps {
  /** What a new object is to be known by; absent: anything new. */
  readonly uid?: string;
  /** Once the object is read, before it is checked. May change it. @returns whether it did. */
  readonly prepare?: (change: WriteChange) => boolean;
  /** Once it is checked. @throws KubeError when it may not be written. */
  readonly confirm?: (change: WriteChange) => void;
}

/** A write on its way. */
export interface WriteChange {
  readonly target: Target;
  readonly object: WorkingObject;
  /** Absent for a creation. */
  readonly old: WorkingObject | undefined;
}

/** What was written, and what the client should know about it. */
export interface Written {
  readonly object: WorkingObject;
  readonly warnings: readonly string[];
}

/** An instant as Kubernetes writes it: whole seconds. */
export function timestamp(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
}
