/** The mesh's services with their endpoints, for backends that are neither functions nor behind a waypoint: which endpoint a request goes to. */
import { formatSocketAddress } from "#core/address/socket-address.ts";
import type { IpAddress } from "#core/address/ip.ts";
import { chooseEndpoint, type ClientPlace } from "#core/mesh/choose-endpoint.ts";
import { readService, type Service } from "#core/mesh/service.ts";
import { emptySnapshot, withChanges } from "#core/mesh/snapshot.ts";
import { readWorkload, type Workload } from "#core/mesh/workload.ts";
import type { Address } from "#core/proto/istio/workload_pb.js";
import type { ServiceBackend, Waypoint } from "#core/proto/lambient/discovery_pb.js";
import type { Clock, Timer } from "#host/clock.ts";
import type { Discovered } from "#host/discovery/watched-type.ts";
import { type Destination, tunnelPort } from "./open-upstream.ts";

/** Which of a backend's endpoints. */
export interface EndpointWish {
  readonly backend: Pick<ServiceBackend, "namespace" | "hostname" | "port">;
  /** The port that was asked for. */
  readonly port: number;
  /** One that failed just now. */
  readonly avoid: IpAddress | undefined;
  /** In [0, 1). */
  readonly pick: number;
}

/** Whether a configuration sends to endpoints, so that they must be known. */
export function needsEndpoints({ services }: Waypoint): boolean {
  return services.some(
    ({ direct, routes }) =>
      direct ||
      routes.some(({ backends }) =>
        backends.some(({ target }) => target.case === "service" && target.value.direct),
      ),
  );
}

/** See the file's head. */
export class Endpoints {
  #mesh = emptySnapshot;
  #isKnown = false;
  readonly #waiters = new Set<() => void>();

  /** Takes what discovery says of services and workloads, the first time all of it. */
  apply(changed: readonly Discovered<Address>[], removedAddresses: readonly string[]): void {
    const workloads: Workload[] = [];
    const services: Service[] = [];
    for (const { message } of changed) {
      const { type } = message;
      // What cannot be read was refused when it came, and is not among them.
      if (type.case === "workload") workloads.push(...valueOf(readWorkload(type.value)));
      if (type.case === "service") services.push(...valueOf(readService(type.value)));
    }
    this.#mesh = withChanges(this.#mesh, { workloads, services, removedAddresses });
    if (changed.length === 0) return;
    this.#isKnown = true;
    for (const waiter of this.#waiters) waiter();
  }

  /** Waits until they are known; undefined when they are. */
  whenKnown(clock: Clock, timeoutMs: number): Promise<void> | undefined {
    if (this.#isKnown) return undefined;
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#waiters.delete(done);
        resolve();
      };
      const timer: Timer = clock.after(timeoutMs, done);
      this.#waiters.add(done);
    });
  }

  /** Chooses; undefined when no endpoint can take the request. */
  destinationOf({ backend, port, avoid, pick }: EndpointWish, client: ClientPlace): Destination | undefined {
    const key = `${backend.namespace}/${backend.hostname}`;
    const service = this.#mesh.services.get(key);
    if (service === undefined) return undefined;
    const all = this.#mesh.endpoints.get(key) ?? [];
    const others = all.filter(({ addresses }) => addresses[0] !== avoid);
    const wanted = { service, port: backend.port === 0 ? port : backend.port, client, pick };
    const chosen =
      chooseEndpoint({ ...wanted, endpoints: others }) ?? chooseEndpoint({ ...wanted, endpoints: all });
    const ip = chosen?.workload.addresses[0];
    if (chosen === undefined || ip === undefined) return undefined;
    return destinationAt(chosen.workload, { ip, port: chosen.targetPort });
  }
}

/** To a workload of the mesh by a tunnel, to another in plain. */
function destinationAt(workload: Workload, target: Destination["target"]): Destination {
  const common = { key: `endpoint ${formatSocketAddress(target)}`, target };
  if (workload.protocol === "tcp")
    return { ...common, identities: undefined, tunnelAddress: target, namesCaller: false };
  const tunnelAddress = { ip: target.ip, port: tunnelPort };
  return { ...common, identities: [workload.identity], tunnelAddress, namesCaller: true };
}

function valueOf<Value>(
  read: { readonly ok: true; readonly value: Value } | { readonly ok: false },
): Value[] {
  return read.ok ? [read.value] : [];
}
