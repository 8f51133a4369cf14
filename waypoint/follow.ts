/** Follows the control plane: every policy from the start, the program's own configuration once it has a name. Each change is a new snapshot. */
import { AuthorizationSchema } from "#core/proto/istio/authorization_pb.js";
import { AddressSchema } from "#core/proto/istio/workload_pb.js";
import { WaypointSchema } from "#core/proto/lambient/discovery_pb.js";
import { readPolicy } from "#core/policy/policy.ts";
import type { ControlChannelOptions } from "#host/discovery/control-channel.ts";
import { type Discovery, openDiscovery } from "#host/discovery/open-discovery.ts";
import { typeUrlOf, watchType } from "#host/discovery/watched-type.ts";
import type { Log } from "#host/log.ts";
import { emptySnapshot, type Snapshot, withAuthorizations, withWaypoint } from "./configuration.ts";
import { Endpoints, needsEndpoints } from "./endpoints.ts";

/** Where the control plane is. */
export interface FollowOptions {
  readonly channel: ControlChannelOptions;
  readonly nodeId: string;
  readonly log: Log;
}

/** Who is told; at once of what is known already. */
export interface MeshListener {
  onSnapshot(snapshot: Snapshot): void;
  /** Every type has been answered once. */
  onSynced(): void;
}

/** No resource has this name: an empty list would ask for all. */
const nobody = "-";
/** All resources. */
const everybody = "*";

/** See the file's first line. */
export class MeshFollower {
  readonly #discovery: Discovery;
  /** Known from when a configuration needs them. */
  readonly endpoints: Endpoints = new Endpoints();
  #snapshot = emptySnapshot;
  #name = nobody;
  #listener: MeshListener | undefined;

  constructor({ channel, nodeId, log }: FollowOptions) {
    this.#discovery = openDiscovery({
      channel,
      nodeId,
      onState: (state) => {
        if (state.kind === "synced") this.#listener?.onSynced();
        if (state.kind === "disconnected") log.debug("control plane lost", { reason: state.reason });
      },
      types: [
        watchType(AuthorizationSchema, {
          check(_, message) {
            const policy = readPolicy(message);
            return policy.ok ? undefined : policy.error;
          },
          onUpdate: (changed, removed) => {
            const messages = changed.map(({ message }) => message);
            this.#take(withAuthorizations(this.#snapshot, messages, removed));
          },
        }),
        watchType(AddressSchema, {
          names: [nobody],
          onUpdate: (changed, removed) => this.endpoints.apply(changed, removed),
        }),
        watchType(WaypointSchema, {
          names: [nobody],
          onUpdate: (changed, removed) => {
            const own = changed.find(({ name }) => name === this.#name);
            if (own !== undefined && needsEndpoints(own.message)) this.#followEndpoints();
            if (own !== undefined) this.#take(withWaypoint(this.#snapshot, own.message));
            else if (removed.includes(this.#name)) this.#take(withWaypoint(this.#snapshot, undefined));
          },
        }),
      ],
    });
  }

  /** Asks for the configuration of `<namespace>/<gateway>`; once. */
  follow(name: string, listener: MeshListener): void {
    this.#name = name;
    this.#listener = listener;
    this.#discovery.setNames(typeUrlOf(WaypointSchema), [name]);
    listener.onSnapshot(this.#snapshot);
    if (this.#discovery.isSynced) listener.onSynced();
  }

  /** Nothing is told any more. */
  close(): void {
    this.#discovery.close();
  }

  /** The whole mesh costs memory, which only waypoints of ordinary services spend. */
  #followEndpoints(): void {
    this.#discovery.setNames(typeUrlOf(AddressSchema), [everybody]);
  }

  #take(next: Snapshot): void {
    this.#snapshot = next;
    this.#listener?.onSnapshot(next);
  }
}
