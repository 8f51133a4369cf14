/** The shape of `lambient.jsonc`: what a user writes about a group of functions. Reading it is in read-manifest.ts. */
import type {
  BindingSpec,
  LimitsSpec,
  ScaleSpec,
  ScheduleSpec,
  SecretRef,
  TrafficTarget,
} from "#core/release/function-spec.ts";

/** One function as a user writes it; all but `main` have defaults. */
export interface ManifestFunction {
  /** The module with the handlers, relative to the manifest. */
  readonly main: string;
  readonly engine: "bun";
  /** The revision's name; absent: made from its content. */
  readonly revision?: string;
  /** Absent: the function's name. */
  readonly serviceAccountName?: string;
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, SecretRef>>;
  readonly bindings: readonly BindingSpec[];
  readonly scale: Partial<ScaleSpec>;
  readonly limits: Partial<LimitsSpec>;
  readonly egress: "ALLOW_ANY" | readonly string[];
  readonly traffic?: readonly TrafficTarget[];
  readonly schedules: readonly ScheduleSpec[];
}

/** A whole manifest, defaults filled in. */
export interface Manifest {
  readonly namespace: string;
  readonly group: string;
  readonly functions: Readonly<Record<string, ManifestFunction>>;
  /** YAML files of Kubernetes objects that are applied with the functions, relative to the manifest. */
  readonly manifests: readonly string[];
}
