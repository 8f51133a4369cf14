import { create } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import {
  Action,
  type Authorization,
  AuthorizationSchema,
  Scope,
} from "#core/proto/istio/authorization_pb.js";
import { WaypointSchema } from "#core/proto/lambient/discovery_pb.js";
import {
  emptySnapshot,
  policiesOf,
  type Snapshot,
  withAuthorizations,
  withWaypoint,
} from "./configuration.ts";

function authorization(name: string, scope: Scope, namespace = "shop"): Authorization {
  return create(AuthorizationSchema, { name, namespace, scope, action: Action.DENY });
}

const waypoint = create(WaypointSchema, {
  services: [
    {
      namespace: "shop",
      name: "web",
      addresses: [Uint8Array.of(10, 96, 0, 5)],
      ports: [{ port: 80, targetPort: 8080 }],
      authorizationPolicies: ["shop/named"],
    },
  ],
});

function applied(snapshot: Snapshot): { deny: string[]; missing: readonly string[] } {
  const service = snapshot.table.byAuthority.get("10.96.0.5:80");
  if (service === undefined) throw new Error("no service");
  const { deny, missing } = policiesOf(snapshot, service);
  return { deny: deny.map(({ key }) => key).toSorted(), missing };
}

test("a service has the policies it names, its namespace's and the global ones; one not held is missing", () => {
  let snapshot = withWaypoint(emptySnapshot, waypoint);
  expect(applied(snapshot)).toEqual({ deny: [], missing: ["shop/named"] });
  snapshot = withAuthorizations(
    snapshot,
    [
      authorization("named", Scope.WORKLOAD_SELECTOR),
      authorization("other", Scope.WORKLOAD_SELECTOR),
      authorization("all", Scope.NAMESPACE),
      authorization("elsewhere", Scope.NAMESPACE, "other"),
      authorization("everywhere", Scope.GLOBAL, "istio-system"),
    ],
    [],
  );
  expect(applied(snapshot)).toEqual({
    deny: ["istio-system/everywhere", "shop/all", "shop/named"],
    missing: [],
  });
  snapshot = withAuthorizations(snapshot, [], ["shop/named", "shop/all"]);
  expect(applied(snapshot)).toEqual({ deny: ["istio-system/everywhere"], missing: ["shop/named"] });
});

test("without a configuration there is no service", () => {
  expect(withWaypoint(withWaypoint(emptySnapshot, waypoint), undefined).table.byAuthority.size).toBe(0);
});
