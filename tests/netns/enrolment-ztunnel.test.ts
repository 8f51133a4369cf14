/** Running Pods taken into the mesh by the node's enrolment under a real ztunnel: their bytes on the wire before and after, their busy connections through all of it. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { ipBytes } from "#core/address/ip.ts";
import { type Address, AddressSchema, TunnelProtocol } from "#core/proto/istio/workload_pb.js";
import { makeMetricsRegistry } from "#host/admin/metrics.ts";
import { systemClock } from "#host/clock.ts";
import { readCgroupMounts } from "#host/linux/cgroup.ts";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { warmUp } from "#host/linux/namespaces.ts";
import { openPoller, type Poller } from "#host/linux/poller.ts";
import { silentLog } from "#host/log.ts";
import { type OpenEnrolment, openEnrolment } from "../../k8s/node/enrolment/open-enrolment.ts";
import { namespaceResource } from "../../k8s/model/core-objects.ts";
import { podResource } from "../../k8s/model/pod.ts";
import { preparePodNode } from "../support/captured-pod.ts";
import { type FakeKube, makeFakeKube } from "../support/fake-kube.ts";
import { openPacketCapture } from "../support/packet-capture.ts";
import { type BusyProgram, type BusyReport, makeTestPod, type TestPod } from "../support/test-pod.ts";
import { waitUntil } from "../support/wait-until.ts";
import { startZtunnelNode, type ZtunnelNode } from "../support/ztunnel-node.ts";
import { ip } from "./support/linux.ts";

const mode = "istio.io/dataplane-mode";
const redirection = "ambient.istio.io/redirection";
const port = 8080;

let libc: Libc;
let poller: Poller;
let scene: Scene;

interface Scene extends AsyncDisposable {
  readonly node: ZtunnelNode;
  readonly enrolment: OpenEnrolment;
  readonly web: BusyProgram;
  readonly cart: BusyProgram;
  /** Labels the namespace, or takes the label away, and waits until both Pods are where they should be. */
  label(value: "ambient" | undefined): Promise<void>;
  /** One exchange from web to cart: what came back. */
  ask(nonce: string): Promise<string>;
}

beforeAll(async () => {
  libc = openLibc();
  await warmUp();
  poller = await openPoller(libc);
});
beforeEach(async () => {
  scene = await openScene();
}, 30_000);
afterEach(async () => {
  await scene[Symbol.asyncDispose]();
});
afterAll(() => {
  poller.close();
  closeLibc(libc);
});

async function openScene(): Promise<Scene> {
  const node = await startZtunnelNode(libc);
  preparePodNode(libc, node.namespace);
  const kube = makeFakeKube();
  const [webPod, cartPod] = ["web", "cart"].map((name, index) =>
    makeTestPod({ libc, poller, node: node.namespace }, ip(`10.244.0.${130 + index}`), name),
  ) as [TestPod, TestPod];
  const pods = [webPod, cartPod];
  for (const pod of pods) kube.put(podResource, podObject(pod));
  // Discovery follows the annotation, as the control plane does.
  const follow = (): void => node.ads.set(AddressSchema, addressesOf(kube, pods));
  kube.watch(podResource, { onEvent: follow, signal: new AbortController().signal });
  putNamespace(kube, undefined);
  const enrolment = openEnrolment({
    libc,
    poller,
    clock: systemClock,
    log: silentLog,
    api: kube,
    registry: makeMetricsRegistry(),
    events: { record: () => undefined },
    cgroupMounts: readCgroupMounts(),
    runDir: node.runDir,
    node: "node-0",
    excludedNamespaces: new Set(),
    rootNamespace: "lambient-system",
  });
  for (const pod of pods) await enrolment.admit(pod);
  const [web, cart] = [await webPod.start(port), await cartPod.start(port)];
  const until = async (state: string): Promise<unknown> =>
    await waitUntil(
      `both are ${state}`,
      () => enrolment.report().every((pod) => pod.state === state),
      20_000,
    );
  return {
    node,
    enrolment,
    web,
    cart,
    async label(value) {
      putNamespace(kube, value);
      if (value === undefined)
        await waitUntil("both are let go", () =>
          enrolment.report().every(({ state }) => state !== "capturing"),
        );
      else await until("capturing");
    },
    ask: async (nonce) =>
      (await web.say<{ result: string }>(`once ${cartPod.address} ${port} ${nonce}`)).result,
    async [Symbol.asyncDispose]() {
      await enrolment.close();
      for (const pod of pods) await pod.close();
      libc.attempt("umount2", Buffer.from(`${node.runDir}/pods\0`), 2);
      await node[Symbol.asyncDispose]();
    },
  };
}

function putNamespace(kube: FakeKube, value: string | undefined): void {
  const labels = value === undefined ? {} : { [mode]: value };
  const metadata = { name: "shop", uid: "ns", resourceVersion: "", creationTimestamp: "", labels };
  kube.put(namespaceResource, { apiVersion: "v1", kind: "Namespace", metadata });
}

function podObject({ uid, namespace, name }: TestPod): never {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { uid, namespace, name, resourceVersion: "", creationTimestamp: "" },
    spec: { nodeName: "node-0", containers: [] },
    status: { phase: "Running" },
  } as never; // sound: a whole Pod as far as enrolment reads it
}

function addressesOf(kube: FakeKube, pods: readonly TestPod[]): Readonly<Record<string, Address>> {
  return Object.fromEntries(
    pods.map(({ name, namespace, address }) => {
      const annotations = kube.find(podResource, { namespace, name })?.metadata.annotations;
      const uid = `Kubernetes//Pod/${namespace}/${name}`;
      const tunnelProtocol =
        annotations?.[redirection] === "enabled" ? TunnelProtocol.HBONE : TunnelProtocol.NONE;
      const value = {
        uid,
        name,
        namespace,
        serviceAccount: name,
        addresses: [ipBytes(address)],
        tunnelProtocol,
      };
      return [uid, create(AddressSchema, { type: { case: "workload", value } })];
    }),
  );
}

test("a payload is on the wire before the label, and in no packet after it; both ends are known by their SVIDs", async () => {
  const seen = openPacketCapture(libc, poller, `/proc/self/fd/${scene.node.namespace.fd}`);
  expect(await scene.ask("nonce-before")).toBe("nonce-before");
  await scene.label("ambient");
  const from = scene.node.lines.length;
  // Discovery hears of it from the annotation, a moment later.
  const line = await waitUntil("the first tunnel is told of", async () => {
    await scene.ask("nonce-meanwhile");
    return scene.node.lines.slice(from).find((text) => /src.identity=.*direction="inbound"/.test(text));
  });
  for (let i = 0; i < 50; i++) expect(await scene.ask("nonce-after")).toBe("nonce-after");
  const packets = seen.finish();
  const holding = (text: string): number => packets.filter(({ payload }) => payload.includes(text)).length;
  expect([holding("nonce-before") > 0, holding("nonce-after")]).toEqual([true, 0]);
  const tunnelled = packets.filter(
    ({ destination, destinationPort }) => destination === "10.244.0.131" && destinationPort === 15_008,
  );
  expect(tunnelled.some(({ payload }) => payload[0] === 22 && payload[5] === 1)).toBe(true);
  expect(line).toContain('src.identity="spiffe://cluster.local/ns/shop/sa/web"');
  expect(line).toContain('dst.identity="spiffe://cluster.local/ns/shop/sa/cart"');
}, 30_000);

test("200 busy connections each way go on through 20 labels and unlabels, none of them broken", async () => {
  await scene.web.say(`connect 10.244.0.131 ${port} 200 there`);
  await scene.cart.say(`connect 10.244.0.130 ${port} 200 back`);
  for (let round = 0; round < 20; round++) {
    await scene.label("ambient");
    await scene.web.say(`connect 10.244.0.131 ${port} 1 round-${round}`);
    await scene.label(undefined);
    await scene.cart.say(`connect 10.244.0.130 ${port} 1 round-${round}`);
  }
  const [web, cart] = [await scene.web.say<BusyReport>("report"), await scene.cart.say<BusyReport>("report")];
  expect([web.client, web.server, cart.client, cart.server]).toMatchObject(
    [0, 0, 0, 0].map((broken) => ({ open: 220, broken })),
  );
  await waitUntil("all have talked again", async () => {
    const later = await scene.web.say<BusyReport>("report");
    return (
      later.client.exchanged > web.client.exchanged + 440 &&
      later.server.exchanged > web.server.exchanged + 440
    );
  });
}, 180_000);
