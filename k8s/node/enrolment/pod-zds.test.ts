import { expect, test } from "bun:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { formatIp, type IpAddress } from "#core/address/ip.ts";
import {
  Version,
  type WorkloadRequest,
  WorkloadRequestSchema,
  WorkloadResponseSchema,
  ZdsHelloSchema,
} from "#core/proto/istio/zds_pb.js";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { silentLog } from "#host/log.ts";
import { meshErrorCode } from "#host/mesh-error.ts";
import type { PacketHandlers } from "#host/zds/packet-port.ts";
import { type PodRecord, PodZds } from "./pod-zds.ts";

const web: PodRecord = {
  uid: "web-uid",
  name: "web",
  namespace: "shop",
  serviceAccount: "web",
  address: "10.244.0.130" as IpAddress,
  nameserver: "10.96.0.10" as IpAddress,
  capturesInbound: true,
  capturesDns: false,
  fds: [7, 8],
};

function open(keys: Record<string, readonly string[]> = {}) {
  const clock = new FakeClock();
  const policyKeys = (uid: string): readonly string[] => keys[uid] ?? [];
  const zds = new PodZds({
    clock,
    log: silentLog,
    deadlineMs: 5000,
    connectionsMax: 4,
    policyKeys,
    onListeners: () => undefined,
  });
  return { clock, zds };
}

/** A ztunnel that answers when told to. */
function connect(zds: PodZds) {
  const requests: WorkloadRequest["payload"][] = [];
  const handlers: PacketHandlers | undefined = zds.accept({
    send(bytes, fds) {
      requests.push(fromBinary(WorkloadRequestSchema, bytes).payload);
      expect(fds).toEqual(requests.at(-1)?.case === "add" ? [7, 8] : []);
      return true;
    },
    close: () => undefined,
  });
  handlers?.onPacket(toBinary(ZdsHelloSchema, create(ZdsHelloSchema, { version: Version.V1 })));
  const answer = (error = ""): void => {
    const response = create(WorkloadResponseSchema, { payload: { case: "ack", value: { error } } });
    handlers?.onPacket(toBinary(WorkloadResponseSchema, response));
  };
  return {
    requests,
    answer,
    hangUp: () => handlers?.onClose(),
    said: () => requests.map(({ case: what }) => what),
  };
}

const codeOf = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(() => "none", meshErrorCode);

test("a Pod is told with its names, addresses and the policies of that moment", async () => {
  const keys: Record<string, readonly string[]> = { "web-uid": ["shop/old"] };
  const { zds } = open(keys);
  const served = zds.add(web);
  keys["web-uid"] = ["shop/new"];
  const ztunnel = connect(zds);
  const [request] = ztunnel.requests;
  if (request?.case !== "add") throw new Error(`told ${request?.case}`);
  const { workloadInfo, lambientPod } = request.value;
  expect(workloadInfo).toMatchObject({ name: "web", namespace: "shop", serviceAccount: "web" });
  expect(formatIp(lambientPod?.address ?? new Uint8Array(4))).toBe(web.address);
  expect(lambientPod).toMatchObject({
    authorizationPolicies: ["shop/new"],
    capturesInbound: true,
    capturesDns: false,
  });
  ztunnel.answer();
  await served;
  ztunnel.answer();
  expect([zds.isSynced, zds.isServed(web.uid)]).toEqual([true, true]);
});

test("one that leaves is drained once, and is not told to the next ztunnel", async () => {
  const { zds } = open();
  const ztunnel = connect(zds);
  ztunnel.answer();
  const served = zds.add(web);
  ztunnel.answer();
  await served;
  zds.letGo(web.uid);
  ztunnel.answer();
  expect(ztunnel.requests.at(-1)).toMatchObject({ case: "del", value: { uid: web.uid, drain: true } });
  expect(connect(zds).said()).toEqual(["snapshotSent"]);
  zds.remove(web.uid);
  expect(ztunnel.said()).toEqual(["snapshotSent", "add", "del"]);
});

test("what a program before this one had served is kept, and is gone when it is said to be", () => {
  const { zds } = open();
  zds.keep("old-uid");
  const ztunnel = connect(zds);
  ztunnel.answer();
  ztunnel.answer();
  zds.remove("old-uid");
  expect(ztunnel.said()).toEqual(["keep", "snapshotSent", "del"]);
});

test("what changed while it was being told is told again, and only that answer counts", async () => {
  const { zds } = open();
  const ztunnel = connect(zds);
  ztunnel.answer();
  void zds.add(web);
  const changed = zds.add({ ...web, capturesInbound: false });
  ztunnel.answer();
  expect(zds.isServed(web.uid)).toBe(false);
  ztunnel.answer();
  await changed;
  expect(ztunnel.requests.at(-1)).toMatchObject({ value: { lambientPod: { capturesInbound: false } } });
});

test("refusal and the Pod's end reach whoever waits", async () => {
  const { zds } = open();
  expect(zds.isConnected).toBe(false);
  const ztunnel = connect(zds);
  ztunnel.answer();
  const refused = codeOf(zds.add(web));
  ztunnel.answer("no room");
  expect(await refused).toBe("unavailable");
  const gone = codeOf(zds.add(web));
  zds.remove(web.uid);
  expect(await gone).toBe("canceled");
  const left = codeOf(zds.add(web));
  zds.letGo(web.uid);
  expect([await left, zds.isConnected]).toEqual(["canceled", true]);
  zds.close();
});
