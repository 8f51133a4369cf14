/** The shapes of Function and Revision (lambient.dev/v1alpha1) that the API, the node runtime and the command line share. */

/** How a function scales; every field has the default stated. */
export interface ScaleSpec {
  /** Requests in flight an instance takes before another is leased. Default 50. */
  readonly concurrency: number;
  /** Most instances at once. Default 10. */
  readonly max: number;
  /** Milliseconds without a request after which an instance stops. Default 30000. */
  readonly idleMs: number;
  /** Milliseconds a call is held for a starting instance before it is answered 504. Default 10000. */
  readonly activationTimeoutMs: number;
}

/** What one instance may use. */
export interface LimitsSpec {
  /** Resident memory in MiB. Default 256. */
  readonly memoryMb: number;
}

/** A reference to one key of a Secret in the function's namespace. */
export interface SecretRef {
  readonly secret: string;
  readonly key: string;
}

/** Another function, reachable in `env` as an object with a `fetch`. */
export interface BindingSpec {
  readonly name: string;
  readonly function: string;
  /** Default: the function's own namespace. */
  readonly namespace?: string;
}

/** A schedule that calls the `scheduled` handler. */
export interface ScheduleSpec {
  /** Five fields, or six with seconds first; UTC. */
  readonly cron: string;
}

/** What a revision is made of: immutable once it exists. */
export interface RevisionTemplateSpec {
  /** `sha256:<64 hex>` of the bundle. */
  readonly bundle: string;
  readonly engine: "bun";
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, SecretRef>>;
  readonly bindings: readonly BindingSpec[];
  readonly scale: ScaleSpec;
  readonly limits: LimitsSpec;
  /** `ALLOW_ANY`, or the only destinations outside the mesh: hosts, `*.hosts`, ranges, each with an optional `:port`. */
  readonly egress: "ALLOW_ANY" | readonly string[];
}

/** One share of a function's traffic. */
export interface TrafficTarget {
  /** A revision's name without the function's prefix (`v1`), or `latest`. */
  readonly revision: string;
  /** Whole percents; all of a function's add up to 100. */
  readonly percent: number;
}

/** `spec` of a Function. */
export interface FunctionSpec {
  /** Name of the waypoint Gateway it stands behind. Default `waypoint`. */
  readonly group: string;
  /** Default: the function's name. */
  readonly serviceAccountName: string;
  /** The revision's name: the object is `<function>-<revision>`. Default: the first 10 hex digits of its content's digest. */
  readonly revision?: string;
  readonly template: RevisionTemplateSpec;
  /** Absent: all to the latest ready revision. */
  readonly traffic?: readonly TrafficTarget[];
  readonly schedules: readonly ScheduleSpec[];
}

/** `spec` of a Revision. */
export interface RevisionSpec extends RevisionTemplateSpec {
  readonly function: string;
  readonly serviceAccountName: string;
  /** Name of the waypoint Gateway. */
  readonly group: string;
  /** Base64 of the Ed25519 signature over the revision's signed text; see release-signature. */
  readonly signature: string;
}

/** The defaults stated above. */
export const defaultScale: ScaleSpec = {
  concurrency: 50,
  max: 10,
  idleMs: 30_000,
  activationTimeoutMs: 10_000,
};
/** See {@link LimitsSpec}. */
export const defaultLimits: LimitsSpec = { memoryMb: 256 };
/** Port on which every instance serves HTTP/1.1 inside its slot; a function's Service maps port 80 to it. */
export const instancePort = 8080;
