/** Follows the control plane: this waypoint's configuration by its name, and every policy. What changes is told as a new snapshot. */
import { AuthorizationSchema } from "#core/proto/istio/authorization_pb.js";
import { WaypointSchema } from "#core/proto/lambient/discovery_pb.js";
import { readPolicy } from "#core/policy/policy.ts";
import type { ControlChannelOptions } from "#host/discovery/control-channel.ts";
import { type Discovery, type DiscoveryState, openDiscovery } from "#host/discovery/open-discovery.ts";
import { watchType } from "#host/discovery/watched-type.ts";
import { emptySnapshot, type Snapshot, withAuthorizations, withWaypoint } from "./configuration.ts";

/** Who follows what. */
export interface FollowOptions {
  readonly channel: ControlChannelOptions;
  /** `<namespace>/<gateway>`. */
  readonly name: string;
  readonly nodeId: string;
  readonly onSnapshot: (snapshot: Snapshot) => void;
  readonly onState: (state: DiscoveryState) => void;
}

/** Starts following; `onSnapshot` comes with each change. */
export function followMesh(options: FollowOptions): Discovery {
  let snapshot = emptySnapshot;
  const take = (next: Snapshot): void => {
    snapshot = next;
    options.onSnapshot(next);
  };
  return openDiscovery({
    channel: options.channel,
    nodeId: options.nodeId,
    onState: options.onState,
    types: [
      watchType(AuthorizationSchema, {
        check(_, message) {
          const policy = readPolicy(message);
          return policy.ok ? undefined : policy.error;
        },
        onUpdate(changed, removed) {
          const messages = changed.map(({ message }) => message);
          take(withAuthorizations(snapshot, messages, removed));
        },
      }),
      watchType(WaypointSchema, {
        names: [options.name],
        onUpdate(changed, removed) {
          const own = changed.find(({ name }) => name === options.name);
          if (own !== undefined) take(withWaypoint(snapshot, own.message));
          else if (removed.includes(options.name)) take(withWaypoint(snapshot, undefined));
        },
      }),
    ],
  });
}
