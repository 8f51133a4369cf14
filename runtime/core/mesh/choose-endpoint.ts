/** Which of a service's endpoints takes a connection: health, ports, nearness, then chance by capacity. */
import type { RoutingScope, Service } from "./service.ts";
import type { Workload } from "./workload.ts";

/** Where the client is, as far as it is known. */
export type ClientPlace = Pick<Workload, "locality" | "node" | "clusterId" | "network">;

/** An endpoint and the port that the service's port means there. */
export interface ChosenEndpoint {
  readonly workload: Workload;
  readonly targetPort: number;
}

/** What the choice is made from. */
export interface EndpointChoice {
  readonly service: Service;
  readonly port: number;
  readonly endpoints: readonly Workload[];
  readonly client: ClientPlace;
  /** In [0, 1): the chance, taken by the caller. */
  readonly pick: number;
}

/** Chooses one; undefined when none can take the connection. */
export function chooseEndpoint(choice: EndpointChoice): ChosenEndpoint | undefined {
  const usable = choice.endpoints.filter((workload) => canTake(workload, choice));
  const near = preferNear(usable, choice);
  const workload = pickByCapacity(near, choice.pick);
  const targetPort = workload?.services.get(choice.service.key)?.get(choice.port);
  return workload === undefined || targetPort === undefined ? undefined : { workload, targetPort };
}

function canTake(workload: Workload, { service, port, client }: EndpointChoice): boolean {
  return (
    (workload.isHealthy || service.balancing.allowsUnhealthy) &&
    workload.addresses.length > 0 &&
    // Another network is behind a gateway of its own, which is not dialled from here.
    workload.network === client.network &&
    workload.services.get(service.key)?.has(port) === true
  );
}

function preferNear(
  workloads: readonly Workload[],
  { service, client }: EndpointChoice,
): readonly Workload[] {
  const { mode, preferences } = service.balancing;
  if (mode === "standard" || mode === "passthrough" || preferences.length === 0) return workloads;
  const ranked = workloads.map((workload) => ({ workload, rank: rankOf(workload, preferences, client) }));
  const wanted = mode === "strict" ? preferences.length : Math.max(0, ...ranked.map(({ rank }) => rank));
  return ranked.filter(({ rank }) => rank === wanted).map(({ workload }) => workload);
}

/** How many preferences hold in a row, from the first. */
function rankOf(workload: Workload, preferences: readonly RoutingScope[], client: ClientPlace): number {
  const failing = preferences.findIndex((scope) => placeIn(workload, scope) !== placeIn(client, scope));
  return failing < 0 ? preferences.length : failing;
}

function placeIn(place: ClientPlace, scope: RoutingScope): string {
  const { locality, node, clusterId, network } = place;
  const places: Readonly<Record<RoutingScope, string>> = { ...locality, node, cluster: clusterId, network };
  return places[scope];
}

function pickByCapacity(workloads: readonly Workload[], pick: number): Workload | undefined {
  if (workloads.length <= 1) return workloads[0];
  let left = pick * workloads.reduce((sum, workload) => sum + workload.capacity, 0);
  for (const workload of workloads) {
    left -= workload.capacity;
    if (left < 0) return workload;
  }
  return workloads.find((workload) => workload.capacity > 0);
}
