/** What the containers of a Pod see of it and tell it: the narrow side of a Pod's worker. Only types. */
import type { PodObject } from "../../model/pod.ts";
import type { PlanContext } from "./container-plan.ts";
import type { KubeletHost } from "./kubelet-host.ts";
import type { PodEvent } from "./pod-events.ts";
import type { PodPaths } from "./pod-paths.ts";

/** See the file's opening. */
export interface PodView {
  readonly host: KubeletHost;
  readonly paths: PodPaths;
  /** As it is now. */
  readonly pod: () => PodObject;
  /** With its sandbox; only called while there is one. */
  context(): PlanContext;
  record(event: PodEvent): void;
  /** Something has changed: facts are to be looked at, and kept. */
  onChange(): void;
}
