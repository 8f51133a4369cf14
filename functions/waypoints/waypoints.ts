/** Every waypoint that this node serves, by the Gateways of the API. */
import type { ObjectEvent } from "#host/kube/kube-client.ts";
import type { GatewayObject } from "#host/kube/known-resources.ts";
import { SleepingWaypoint, type SleepingWaypointOptions, type WaypointState } from "./sleeping-waypoint.ts";

/** The class of Gateways that are waypoints of ours. */
const waypointClass = "lambient-waypoint";

/** A waypoint as it is shown. */
export interface WaypointReport {
  readonly namespace: string;
  readonly name: string;
  readonly address: string;
  readonly state: WaypointState;
  readonly pid: number | undefined;
}

/** See the file's opening. */
export class Waypoints {
  readonly #options: Omit<SleepingWaypointOptions, "gateway">;
  readonly #waypoints = new Map<string, SleepingWaypoint>();
  readonly #closing = new Set<Promise<void>>();

  constructor(options: Omit<SleepingWaypointOptions, "gateway">) {
    this.#options = options;
  }

  /** What there is. */
  report(): WaypointReport[] {
    return Array.from(this.#waypoints.values(), ({ gateway, state, pid }) => ({ ...gateway, state, pid }));
  }

  /** Takes a change of a Gateway up; one without an address yet is served once it has one. */
  onEvent(event: ObjectEvent<GatewayObject>): void {
    const { metadata, spec, status } = event.object;
    const key = `${metadata.namespace}/${metadata.name}`;
    const isServed = event.type !== "DELETED" && spec.gatewayClassName === waypointClass;
    const address = isServed ? status?.addresses?.[0]?.value : undefined;
    const known = this.#waypoints.get(key);
    if (known?.gateway.address === address) return;
    if (known !== undefined) this.#remove(key, known);
    if (address === undefined) return;
    const gateway = { namespace: metadata.namespace, name: metadata.name, address };
    this.#waypoints.set(key, new SleepingWaypoint({ ...this.#options, gateway }));
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    for (const [key, waypoint] of this.#waypoints) this.#remove(key, waypoint);
    await Promise.all(this.#closing);
  }

  #remove(key: string, waypoint: SleepingWaypoint): void {
    this.#waypoints.delete(key);
    const closing = waypoint.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
