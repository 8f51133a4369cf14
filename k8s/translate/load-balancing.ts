/** What a Service says of how its endpoints are chosen, in the mesh's words. */
import { create } from "@bufbuild/protobuf";
import {
  type LoadBalancing,
  LoadBalancing_HealthPolicy,
  LoadBalancing_Mode,
  LoadBalancing_Scope,
  LoadBalancingSchema,
} from "#core/proto/istio/workload_pb.js";
import type { ServiceObject } from "../model/core-objects.ts";

const { NETWORK, REGION, ZONE, SUBZONE, NODE } = LoadBalancing_Scope;
const sameZone = [NETWORK, REGION, ZONE];
const nearness: Readonly<Record<string, readonly LoadBalancing_Scope[]>> = {
  PreferClose: sameZone,
  PreferSameZone: sameZone,
  PreferSameNode: [...sameZone, SUBZONE, NODE],
};

/** The field of a service's message; none for one that wishes nothing. */
export function balancingOf({ metadata, spec }: ServiceObject): { readonly loadBalancing?: LoadBalancing } {
  const healthPolicy =
    spec.publishNotReadyAddresses === true
      ? LoadBalancing_HealthPolicy.ALLOW_ALL
      : LoadBalancing_HealthPolicy.ONLY_HEALTHY;
  const wanted =
    spec.trafficDistribution ?? metadata.annotations?.["networking.istio.io/traffic-distribution"] ?? "";
  const near = nearness[wanted];
  if (spec.internalTrafficPolicy === "Local") {
    return loadBalancing(LoadBalancing_Mode.STRICT, [NODE], healthPolicy);
  }
  if (near !== undefined) return loadBalancing(LoadBalancing_Mode.FAILOVER, near, healthPolicy);
  if (healthPolicy === LoadBalancing_HealthPolicy.ONLY_HEALTHY) return {};
  return loadBalancing(LoadBalancing_Mode.UNSPECIFIED_MODE, [], healthPolicy);
}

function loadBalancing(
  mode: LoadBalancing_Mode,
  routingPreference: readonly LoadBalancing_Scope[],
  healthPolicy: LoadBalancing_HealthPolicy,
): { readonly loadBalancing: LoadBalancing } {
  const value = { mode, healthPolicy, routingPreference: [...routingPreference] };
  return { loadBalancing: create(LoadBalancingSchema, value) };
}
