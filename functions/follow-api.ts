/** Follows the API: revisions, Gateways and functions, from the first list to every change, through lost connections. */
import type { KubeClient, WatchOptions } from "#host/kube/kube-client.ts";
import { functionResource, gatewayResource, revisionResource } from "#host/kube/known-resources.ts";
import type { KubeObject, ResourceType } from "#host/kube/object.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import type { Revisions } from "./revisions.ts";
import type { Schedules } from "./schedules/schedules.ts";
import type { Waypoints } from "./waypoints/waypoints.ts";

/** Who takes the changes. */
export interface Followers {
  readonly revisions: Revisions;
  readonly waypoints: Waypoints;
  readonly schedules: Schedules;
}

/** Three watches. */
export interface Following {
  /** What has not been told whole yet. */
  readonly waitsFor: readonly string[];
  close(): void;
}

/** Starts following. */
export function followApi(api: KubeClient, followers: Followers, log: Log): Following {
  const ending = new AbortController();
  const waitsFor = new Set<string>();
  function follow<Kind extends KubeObject>(
    type: ResourceType<Kind>,
    onEvent: WatchOptions<Kind>["onEvent"],
  ): void {
    waitsFor.add(type.resource);
    api.watch(type, {
      onEvent,
      onSync: () => void waitsFor.delete(type.resource),
      onError: (error) => log.warn("cannot follow the API", { kind: type.kind, error: errorText(error) }),
      signal: ending.signal,
    });
  }
  follow(revisionResource, (event) => followers.revisions.onEvent(event));
  follow(gatewayResource, (event) => followers.waypoints.onEvent(event));
  follow(functionResource, (event) => followers.schedules.onEvent(event));
  return {
    get waitsFor() {
      return [...waitsFor];
    },
    close: () => ending.abort(),
  };
}
