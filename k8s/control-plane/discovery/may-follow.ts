/** Which resource types each program may follow: no more than its work needs. */
import { AuthorizationSchema } from "#core/proto/istio/authorization_pb.js";
import { AddressSchema } from "#core/proto/istio/workload_pb.js";
import { RevisionTemplateSchema, WaypointSchema } from "#core/proto/lambient/discovery_pb.js";
import { typeUrlOf } from "#host/discovery/watched-type.ts";

const allowed: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ["ztunnel", new Set([AddressSchema, AuthorizationSchema, RevisionTemplateSchema].map(typeUrlOf))],
  ["waypoint", new Set([WaypointSchema, AuthorizationSchema, AddressSchema].map(typeUrlOf))],
  ["edge", new Set([WaypointSchema, AuthorizationSchema, AddressSchema].map(typeUrlOf))],
]);

/** Whether a program may follow a type. */
export function mayFollow(program: string, typeUrl: string): boolean {
  return allowed.get(program)?.has(typeUrl) === true;
}
