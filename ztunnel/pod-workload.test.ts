import { expect, test } from "bun:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type IpAddress, ipBytes } from "#core/address/ip.ts";
import { type Service, readService } from "#core/mesh/service.ts";
import { emptySnapshot, type Snapshot, type SnapshotChanges, withChanges } from "#core/mesh/snapshot.ts";
import { readWorkload, type Workload } from "#core/mesh/workload.ts";
import { readPolicy, type Policy } from "#core/policy/policy.ts";
import { AuthorizationSchema, Scope } from "#core/proto/istio/authorization_pb.js";
import {
  ServiceSchema,
  TunnelProtocol,
  WorkloadSchema,
  type Workload as WorkloadMessage,
} from "#core/proto/istio/workload_pb.js";
import type { Result } from "#core/result.ts";
import { makePodWorkload, type PodWorkload } from "./pod-workload.ts";

const address = "10.244.0.130" as IpAddress;
const unused = (): number => {
  throw new Error("Cannot reach anything in this test");
};
const reach = { toMesh: unused, toEndpoint: unused, toWorld: unused, toApplication: unused };
const place = { uid: "u", address, namespaceFd: -1, network: "", node: "n", clusterId: "Kubernetes", reach };

function pod(keys: readonly string[], snapshot: Snapshot = emptySnapshot): PodWorkload {
  const made = makePodWorkload(
    place,
    { name: "web-1", namespace: "shop", serviceAccount: "web" },
    "cluster.local",
  );
  made.tellPolicies(keys, snapshot);
  return made;
}

function must<Value>(read: Result<Value>): Value {
  if (!read.ok) throw new Error(read.error);
  return read.value;
}

function policy(name: string, scope: Scope = Scope.WORKLOAD_SELECTOR): Policy {
  return must(readPolicy(create(AuthorizationSchema, { name, namespace: "shop", scope })));
}

function record(fields: Exclude<MessageInitShape<typeof WorkloadSchema>, WorkloadMessage> = {}): Workload {
  return must(
    readWorkload(
      create(WorkloadSchema, {
        uid: "Kubernetes//Pod/shop/web-1",
        name: "web-1",
        namespace: "shop",
        serviceAccount: "web",
        addresses: [ipBytes(address)],
        workloadName: "web",
        tunnelProtocol: TunnelProtocol.HBONE,
        ...fields,
      }),
    ),
  );
}

/** `open` with the keys of the policies that count, or why it waits. */
function admissionOf(workload: PodWorkload, snapshot: Snapshot): string {
  const admission = workload.factsAt(snapshot)?.admission;
  if (admission?.kind !== "open") return admission?.text ?? "unknown";
  const { allow, deny } = admission.workload.policies;
  return ["open", ...[...allow, ...deny].map(({ key }) => key)].join(" ");
}

const meshWith = (changes: SnapshotChanges): Snapshot => withChanges(emptySnapshot, changes);
const old = record({ tunnelProtocol: TunnelProtocol.NONE });

test.each<[string, readonly string[], SnapshotChanges, string]>([
  ["nothing known and nothing said", [], {}, "open"],
  ["a key that is not held", ["shop/a"], {}, "policies are not known yet: shop/a"],
  ["a key that is held", ["shop/a"], { policies: [policy("a")] }, "open shop/a"],
  ["a record that is newer", ["shop/a"], { workloads: [record()] }, "open"],
  [
    "a newer record with a key",
    [],
    { workloads: [record({ authorizationPolicies: ["shop/b"] })] },
    "policies are not known yet: shop/b",
  ],
  [
    "a record from before it was in the mesh",
    ["shop/a"],
    { policies: [policy("a")], workloads: [old] },
    "open shop/a",
  ],
  ["a policy of its namespace", [], { policies: [policy("n", Scope.NAMESPACE)] }, "open shop/n"],
  [
    "another's record at its address",
    ["shop/a"],
    { workloads: [record({ serviceAccount: "other" })] },
    "policies are not known yet: shop/a",
  ],
])("a Pod's admission with %s", (_name, keys, changes, want) => {
  expect(admissionOf(pod(keys), meshWith(changes))).toBe(want);
});

test("a key of its namespace that was held once is discovery's to take back", () => {
  const workload = pod(["shop/n"]);
  expect(admissionOf(workload, meshWith({ policies: [policy("n", Scope.NAMESPACE)] }))).toBe("open shop/n");
  expect(admissionOf(workload, emptySnapshot)).toBe("open");
});

test("a key that the record of that time lacked counts until there is another record", () => {
  const before = meshWith({ workloads: [record()], policies: [policy("a")] });
  const workload = pod(["shop/a"], before);
  expect(admissionOf(workload, before)).toBe("open shop/a");
  expect(admissionOf(workload, withChanges(before, { workloads: [record({ node: "m" })] }))).toBe("open");
});

test("a record that is gone leaves its policies in force, as long as they are held", () => {
  const workload = pod([]);
  const known = meshWith({
    workloads: [record({ authorizationPolicies: ["shop/a"] })],
    policies: [policy("a")],
  });
  expect(admissionOf(workload, known)).toBe("open shop/a");
  const gone = withChanges(known, { removedAddresses: ["Kubernetes//Pod/shop/web-1"] });
  expect(admissionOf(workload, gone)).toBe("open shop/a");
  expect(admissionOf(workload, withChanges(gone, { removedPolicies: ["shop/a"] }))).toBe("open");
});

test("what the node says again counts in place of what it said", () => {
  const workload = pod(["shop/a"]);
  workload.tellPolicies([], emptySnapshot);
  expect(admissionOf(workload, emptySnapshot)).toBe("open");
});

test("a Pod is called by its names until there is a record, and its identity never changes", () => {
  const workload = pod([]);
  const told = workload.factsAt(emptySnapshot);
  expect(told?.party).toMatchObject({ workload: "web-1", namespace: "shop", canonicalName: "web-1" });
  const known = workload.factsAt(meshWith({ workloads: [record()] }));
  expect(known?.party).toMatchObject({ workload: "web", namespace: "shop" });
  for (const facts of [told, known])
    expect(`${facts?.source.identity}`).toBe("spiffe://cluster.local/ns/shop/sa/web");
});

test("a Pod's waypoints are those of its services", () => {
  const hostname = "web.shop.svc.cluster.local";
  const at = { network: "", address: ipBytes("10.245.0.2" as IpAddress) };
  const service: Service = must(
    readService(
      create(ServiceSchema, {
        name: "web",
        namespace: "shop",
        hostname,
        waypoint: { destination: { case: "address", value: at } },
      }),
    ),
  );
  const waypoint = must(
    readWorkload(
      create(WorkloadSchema, {
        uid: "w",
        namespace: "shop",
        serviceAccount: "waypoint",
        addresses: [at.address],
      }),
    ),
  );
  const self = record({
    services: { [`shop/${hostname}`]: { ports: [] } },
  });
  const snapshot = meshWith({ services: [service], workloads: [waypoint, self] });
  const admission = pod([]).factsAt(snapshot)?.admission;
  const trusted = admission?.kind === "open" ? [...admission.workload.trustedWaypoints].map(String) : [];
  expect(trusted).toEqual(["spiffe://cluster.local/ns/shop/sa/waypoint"]);
});
