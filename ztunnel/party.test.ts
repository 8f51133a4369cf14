import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { WorkloadSchema, WorkloadType } from "#core/proto/istio/workload_pb.js";
import { readWorkload, type Workload } from "#core/mesh/workload.ts";
import { namesOfService, noService, partyOfWorkload, unidentifiedPartyOf } from "./party.ts";

function workload(part: { readonly workloadName?: string } = {}): Workload {
  const read = readWorkload(
    create(WorkloadSchema, {
      uid: "cart-v1-abc",
      name: "cart-v1-abc",
      namespace: "shop",
      serviceAccount: "cart",
      workloadName: "cart",
      workloadType: WorkloadType.DEPLOYMENT,
      canonicalName: "cart",
      canonicalRevision: "v1",
      clusterId: "here",
      locality: { region: "r", zone: "z", subzone: "s" },
      ...part,
    }),
  );
  if (!read.ok) throw new Error(read.error);
  return read.value;
}

test("a side that only its address speaks for is named, without an identity", () => {
  const known = workload();
  const party = unidentifiedPartyOf(known);
  expect(party).toEqual({ ...partyOfWorkload(known), identity: "" as never });
  expect(unidentifiedPartyOf(known)).toBe(party);
});

test("a known side is named by its workload", () => {
  expect(partyOfWorkload(workload())).toEqual({
    workload: "cart",
    workloadType: "deployment",
    namespace: "shop",
    // The workload's own, which was just read.
    identity: "spiffe://cluster.local/ns/shop/sa/cart" as Workload["identity"],
    canonicalName: "cart",
    canonicalRevision: "v1",
    cluster: "here",
    region: "r",
    zone: "z",
  });
});

test("a workload without a name of its own goes by its object's", () => {
  expect(partyOfWorkload(workload({ workloadName: "" })).workload).toBe("cart-v1-abc");
});

test("one workload is one side, another one is another", () => {
  const one = workload();
  expect(partyOfWorkload(one)).toBe(partyOfWorkload(one));
  expect(partyOfWorkload(workload())).not.toBe(partyOfWorkload(one));
});

test("no service has empty names", () => {
  expect(namesOfService(undefined)).toBe(noService);
  expect(noService).toEqual({ hostname: "", name: "", namespace: "" });
});
