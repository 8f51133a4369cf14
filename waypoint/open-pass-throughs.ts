/** How services' endpoints are chosen by this program, for requests and for connections that are none. */
import type { ClientPlace } from "#core/mesh/choose-endpoint.ts";
import { decideCaller } from "./authorize.ts";
import type { Config } from "./config.ts";
import { policiesOf, type Snapshot } from "./configuration.ts";
import { PassThroughs } from "./pass-through.ts";
import type { PipelineOptions } from "./pipeline.ts";
import type { AppPorts } from "./self.ts";
import type { Upstreams } from "./upstreams.ts";

/** Longest that anything waits for endpoints to be known at all. */
const endpointsWaitMs = 2000;

/** What the pipeline needs of endpoints. */
export function endpointPorts({
  config,
  clock,
  random,
  control,
}: AppPorts): Pick<PipelineOptions, "endpointFor" | "endpointsKnown"> {
  const { endpoints } = control.mesh;
  const place = placeOf(config);
  return {
    endpointFor: ({ service, upstream }, backend) =>
      endpoints.destinationOf({ backend, port: service.port, avoid: upstream?.ip, pick: random() }, place),
    endpointsKnown: () => endpoints.whenKnown(clock, endpointsWaitMs),
  };
}

/** Connections that are not HTTP, to services that are no functions. */
export function openPassThroughs(
  { config, clock, log, random, control }: AppPorts,
  held: { readonly snapshot: Snapshot },
  { openFor }: Upstreams,
): PassThroughs {
  const { endpoints } = control.mesh;
  const place = placeOf(config);
  return new PassThroughs({
    connectionsMax: config.limits.connectionsMax,
    attemptsMax: config.limits.attemptsMax,
    decide(caller, asked) {
      const service = held.snapshot.table.byAuthority.get(asked.authority) ?? asked;
      return decideCaller(caller, service, policiesOf(held.snapshot, service));
    },
    endpointsKnown: () => endpoints.whenKnown(clock, endpointsWaitMs),
    endpointFor({ namespace, hostname, port }, failed) {
      const wish = { backend: { namespace, hostname, port }, port, avoid: failed?.target.ip, pick: random() };
      return endpoints.destinationOf(wish, place);
    },
    open: openFor,
    log,
  });
}

/** Where the program is, for choosing near endpoints. */
function placeOf({ node }: Config): ClientPlace {
  return { locality: { region: "", zone: "", subzone: "" }, clusterId: "Kubernetes", network: "", node };
}
