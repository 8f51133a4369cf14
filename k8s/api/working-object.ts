/** An object while the API works on it; outside the API objects are read-only. */
import type { ObjectMeta } from "#host/kube/object.ts";

/** An object on its way into the store: its fields may still be set. */
export interface WorkingObject {
  apiVersion: string;
  kind: string;
  metadata: WorkingMeta;
  [field: string]: unknown;
}

/** Metadata that may still be set. */
export type WorkingMeta = { -readonly [Field in keyof ObjectMeta]: ObjectMeta[Field] };
