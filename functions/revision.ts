/** A revision as the node runtime knows it: what the API says, and whether it may run here. */
import type { RevisionSpec } from "#core/release/function-spec.ts";

/** See the file's opening. */
export interface Revision {
  /** `<namespace>/<name>` */
  readonly uid: string;
  readonly namespace: string;
  /** The object's name, such as `cart-v1`. */
  readonly name: string;
  readonly spec: RevisionSpec;
  /** Why it must not run, such as a wrong signature; undefined when it may. */
  readonly refusal: string | undefined;
}

/** Finds revisions by uid. */
export interface RevisionBook {
  find(uid: string): Revision | undefined;
}
