/** Pods taken into the mesh and let go while they run: what breaks (nothing), what leaves in the plain (nothing), what is mended. A scripted ztunnel. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IpAddress } from "#core/address/ip.ts";
import { makeMetricsRegistry } from "#host/admin/metrics.ts";
import { systemClock } from "#host/clock.ts";
import { removeSocket } from "#host/linux/bpf.ts";
import { detachLink, openPinned } from "#host/linux/bpf-pins.ts";
import { readCgroupMounts } from "#host/linux/cgroup.ts";
import { closeFd, closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { listAddresses } from "#host/linux/links.ts";
import { warmUp } from "#host/linux/namespaces.ts";
import { openNetlink } from "#host/linux/netlink.ts";
import { podListeners } from "#host/linux/pod-marks.ts";
import { openPoller, type Poller } from "#host/linux/poller.ts";
import { listRoutes, listRules } from "#host/linux/route-lists.ts";
import { deleteRoute, deleteRule } from "#host/linux/routes.ts";
import { writeSettings } from "#host/linux/sysctls.ts";
import { startConnect, startListen, tcpState } from "#host/linux/sockets.ts";
import { silentLog } from "#host/log.ts";
import { meshErrorCode } from "#host/mesh-error.ts";
import { type OpenEnrolment, openEnrolment } from "../../k8s/node/enrolment/open-enrolment.ts";
import { captureTable } from "../../k8s/node/enrolment/pod-routing.ts";
import { namespaceResource } from "../../k8s/model/core-objects.ts";
import { podResource } from "../../k8s/model/pod.ts";
import { type FakeKube, makeFakeKube } from "../support/fake-kube.ts";
import { openPacketCapture } from "../support/packet-capture.ts";
import { openPodZtunnel, type PodZtunnel } from "../support/pod-ztunnel.ts";
import {
  type BusyProgram,
  type BusyReport,
  makeTestNode,
  makeTestPod,
  startBusy,
  type TestPod,
} from "../support/test-pod.ts";
import { waitUntil } from "../support/wait-until.ts";
import { ip, readable } from "./support/linux.ts";

const outsideAddress = "10.244.0.1";
const modeLabel = "istio.io/dataplane-mode";
const redirection = "ambient.istio.io/redirection";

let libc: Libc;
let poller: Poller;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  libc = openLibc();
  await warmUp();
  poller = await openPoller(libc);
});
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});
afterAll(() => {
  poller.close();
  closeLibc(libc);
});

interface Scene {
  readonly kube: FakeKube;
  readonly pod: TestPod;
  readonly node: ReturnType<typeof makeTestNode>;
  readonly runDir: string;
  /** Reasons of the Events. */
  readonly events: readonly string[];
  readonly enrolment: OpenEnrolment;
  readonly metrics: () => string;
  /** Labels the Pod's namespace, or takes the label away. */
  label(value: string | undefined): void;
  /** Waits until the Pod is in the state. */
  until(state: "plain" | "capturing" | "leaving"): Promise<unknown>;
  /** The annotation on the Pod. */
  redirection(): string | undefined;
  ztunnel(): PodZtunnel;
  /** Ends the node's program as it is, and starts the next one. */
  restart(): Promise<OpenEnrolment>;
}

function openScene(): Scene {
  const runDir = mkdtempSync(join(tmpdir(), "lambient-enrolment-"));
  const node = makeTestNode(libc, [`${outsideAddress}/32`, "10.96.0.10/32"]);
  const pod = makeTestPod({ libc, poller, node }, ip("10.244.0.130"));
  const kube = makeFakeKube();
  const events: string[] = [];
  const registry = makeMetricsRegistry();
  const open = (): OpenEnrolment =>
    openEnrolment({
      libc,
      poller,
      clock: systemClock,
      log: silentLog,
      api: kube,
      registry: makeMetricsRegistry(),
      cgroupMounts: readCgroupMounts(),
      runDir,
      node: "node-0",
      excludedNamespaces: new Set(["kube-system"]),
      rootNamespace: "lambient-system",
      events: { record: (_, { reason }) => void events.push(reason) },
      ...(current === undefined ? { registry } : {}),
    });
  let current: OpenEnrolment | undefined;
  const label = (value: string | undefined): void => {
    const labels = value === undefined ? {} : { [modeLabel]: value };
    const metadata = { name: "shop", uid: "ns", resourceVersion: "", creationTimestamp: "", labels };
    kube.put(namespaceResource, { apiVersion: "v1", kind: "Namespace", metadata });
  };
  label(undefined);
  const { uid, namespace, name } = pod;
  kube.put(podResource, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { uid, namespace, name, resourceVersion: "", creationTimestamp: "" },
    spec: { nodeName: "node-0", containers: [] },
    status: { phase: "Running" },
  } as never); // sound: a whole Pod as far as enrolment reads it
  current = open();
  closers.push(
    () => rmSync(runDir, { recursive: true, force: true }),
    () => libc.attempt("umount2", Buffer.from(`${join(runDir, "pods")}\0`), 2),
    () => node.close(),
    () => pod.close(),
    () => current?.close(),
  );
  return {
    kube,
    pod,
    node,
    runDir,
    events,
    get enrolment() {
      if (current === undefined) throw new Error("closed");
      return current;
    },
    metrics: () => registry.format(),
    label,
    until: async (state) =>
      await waitUntil(`the Pod is ${state}`, () =>
        current?.report().some((each) => each.uid === uid && each.state === state),
      ),
    redirection: () => kube.find(podResource, { namespace, name })?.metadata.annotations?.[redirection],
    ztunnel() {
      const ztunnel = openPodZtunnel(libc, poller, join(runDir, "pods.sock"));
      closers.push(() => ztunnel.close());
      return ztunnel;
    },
    async restart() {
      await current?.close();
      current = open();
      return current;
    },
  };
}

/** The Pod's busy program and one outside. */
async function startPrograms({ pod, node }: Scene): Promise<{ inside: BusyProgram; outside: BusyProgram }> {
  const inside = await pod.start(8080);
  const outside = await startBusy(libc, poller, { namespace: node, port: 9000 });
  closers.push(() => outside.close());
  return { inside, outside };
}

const toOutside = `once ${outsideAddress} 9000`;
const toPod = "once 10.244.0.130 8080";

async function once(program: BusyProgram, line: string, nonce: string): Promise<string> {
  return (await program.say<{ result: string }>(`${line} ${nonce}`)).result;
}

describe("a running Pod", () => {
  test("is taken in and let go 20 times with 200 busy connections each way, none of which breaks", async () => {
    const scene = openScene();
    const ztunnel = scene.ztunnel();
    const { inside, outside } = await startPrograms(scene);
    await scene.enrolment.admit(scene.pod);
    await inside.say(`connect ${outsideAddress} 9000 200 out`);
    await outside.say("connect 10.244.0.130 8080 200 in");
    const before = await inside.say<BusyReport>("report");
    for (let round = 0; round < 20; round++) {
      scene.label("ambient");
      await scene.until("capturing");
      await inside.say(`connect ${outsideAddress} 9000 1 captured-${round}`);
      await outside.say(`connect 10.244.0.130 8080 1 captured-${round}`);
      await waitUntil("ztunnel carries both", () => {
        const counts = ztunnel.pods.get(scene.pod.uid)?.proxy.counts;
        return counts?.outbound === 1 && counts.inbound === 1;
      });
      scene.label(undefined);
      await scene.until("leaving");
    }
    const [a, b] = [await inside.say<BusyReport>("report"), await outside.say<BusyReport>("report")];
    expect([a.client.broken, a.server.broken, b.client.broken, b.server.broken]).toEqual([0, 0, 0, 0]);
    expect([a.client.open, a.server.open, b.client.open, b.server.open]).toEqual([220, 220, 220, 220]);
    expect(a.pid).toBe(before.pid);
    // Every one of them still talks.
    await waitUntil("all have talked again", async () => {
      const later = await inside.say<BusyReport>("report");
      return (
        later.client.exchanged >= a.client.exchanged + 440 &&
        later.server.exchanged >= a.server.exchanged + 440
      );
    });
    await inside.say("stop");
    await outside.say("stop");
    await scene.until("plain");
    expect(await plainness(scene)).toEqual([0, 32_766, 32_767]);
  }, 120_000);

  test("loses nothing of what is on its way after a close", async () => {
    const scene = openScene();
    scene.ztunnel();
    await scene.enrolment.admit(scene.pod);
    const listener = startListen(libc, scene.node.fd, { address: ip(outsideAddress), port: 7100 });
    const closing = startConnect(libc, scene.pod.network.fd, {
      to: { address: ip(outsideAddress), port: 7100 },
    });
    await waitUntil("it is connected", () => tcpState(libc, closing) === "established");
    const reader = libc.call("Cannot accept", "accept4", listener, null, null, 0o2004000);
    const written = writeAll(closing);
    closeFd(libc, closing); // Most of it is in the kernel's hands now, and nobody else's.
    scene.label("ambient");
    await scene.until("capturing");
    expect(await countAll(reader)).toBe(written);
    for (const fd of [reader, listener]) closeFd(libc, fd);
  });

  test("keeps connections that nobody has accepted yet", async () => {
    const scene = openScene();
    scene.ztunnel();
    await scene.enrolment.admit(scene.pod);
    // Made by this process, which is none of the Pod's: no mark can be set on them by way of the Pod's processes.
    const listener = startListen(libc, scene.pod.network.fd, { address: ip("0.0.0.0"), port: 7000 });
    const early = startConnect(libc, scene.node.fd, { to: { address: scene.pod.address, port: 7000 } });
    await waitUntil("it is connected", () => tcpState(libc, early) === "established");
    scene.label("ambient");
    await scene.until("capturing");
    expect(flowRules(scene)).toBe(1);
    const accepted = libc.call("Cannot accept", "accept4", listener, null, null, 0o2004000);
    await exchange(accepted, early);
    scene.label(undefined);
    await scene.until("plain");
    await exchange(early, accepted);
    for (const fd of [accepted, early, listener]) closeFd(libc, fd);
  });

  test("waits, and says so, while there is no ztunnel, and is taken in by the first that comes", async () => {
    const scene = openScene();
    await scene.enrolment.admit(scene.pod);
    const { inside } = await startPrograms(scene);
    scene.label("ambient");
    await waitUntil("it says so", () => scene.redirection() === "pending", 15_000);
    expect(await once(inside, toOutside, "open")).toBe("open");
    const ztunnel = scene.ztunnel();
    await waitUntil("it is taken in", () => scene.redirection() === "enabled", 15_000);
    expect(await once(inside, toOutside, "captured")).toBe("captured");
    expect(ztunnel.pods.get(scene.pod.uid)?.proxy.counts.outbound).toBe(1);
  }, 30_000);

  test("that is unlabelled while it waits for a ztunnel waits no more", async () => {
    const scene = openScene();
    await scene.enrolment.admit(scene.pod);
    scene.label("ambient");
    await waitUntil("it says so", () => scene.redirection() === "pending");
    scene.label(undefined);
    await scene.until("plain");
    await waitUntil("it says so no more", () => scene.redirection() === undefined);
    expect(scene.ztunnel().said).not.toContain("add");
    expect(await plainness(scene)).toEqual([0, 32_766, 32_767]);
  });

  test("that is said to be in the mesh and is not is not said to be any more", async () => {
    const scene = openScene();
    const { namespace, name } = scene.pod;
    const value = { metadata: { annotations: { [redirection]: "enabled" } } };
    await scene.kube.patch(podResource, { namespace, name }, { kind: "merge", value });
    await scene.enrolment.admit(scene.pod);
    await waitUntil("it says so no more", () => scene.redirection() === undefined);
  });

  test("that leaves while the node's program ends is let go by the next one once its last connection is over", async () => {
    const scene = openScene();
    scene.ztunnel();
    const { inside } = await startPrograms(scene);
    scene.label("ambient");
    await scene.enrolment.admit(scene.pod);
    await inside.say(`connect ${outsideAddress} 9000 3 held`);
    scene.label(undefined);
    await scene.until("leaving");
    const next = await scene.restart();
    await next.admit(scene.pod);
    await scene.until("leaving");
    expect((await inside.say<BusyReport>("report")).client).toMatchObject({ open: 3, broken: 0 });
    await inside.say("stop");
    await scene.until("plain");
    expect(await plainness(scene)).toEqual([0, 32_766, 32_767]);
  }, 20_000);

  test("is annotated, and people are told", async () => {
    const scene = openScene();
    await scene.enrolment.admit(scene.pod);
    expect(scene.redirection()).toBeUndefined();
    const ztunnel = scene.ztunnel();
    scene.label("ambient");
    await waitUntil("it is annotated", () => scene.redirection() === "enabled");
    scene.label(undefined);
    await scene.until("plain");
    expect(scene.redirection()).toBeUndefined();
    await waitUntil("ztunnel let go", () => ztunnel.pods.get(scene.pod.uid)?.isDrained);
    expect(scene.events).toEqual(["Enrolled", "Unenrolled"]);
    expect(scene.metrics()).toContain('lambient_enrolment_milliseconds_count{direction="in"} 1');
  });
});

describe("a new Pod", () => {
  test("is captured before its first process starts", async () => {
    const scene = openScene();
    scene.ztunnel();
    scene.label("ambient");
    await scene.enrolment.admit(scene.pod);
    expect(scene.enrolment.report()).toMatchObject([{ name: "client", state: "capturing" }]);
    await waitUntil("it is annotated", () => scene.redirection() === "enabled");
  });

  test("does not start while ztunnel does not serve it", async () => {
    const scene = openScene();
    const ztunnel = scene.ztunnel();
    ztunnel.refuse = ({ case: what }) => (what === "add" ? "no room" : undefined);
    scene.label("ambient");
    expect(await scene.enrolment.admit(scene.pod).then(() => "started", meshErrorCode)).toBe("unavailable");
    await waitUntil("it is pending", () => scene.redirection() === "pending");
    expect(scene.events).toEqual(["EnrolmentFailed"]);
  });
});

describe("an enrolled Pod", () => {
  test("reaches itself and loopback as before, everyone else through ztunnel", async () => {
    const { scene, ztunnel, inside, outside } = await enrolled();
    expect([
      await once(inside, toPod, "own"),
      await once(inside, "once 127.0.0.1 8080", "loopback"),
      await once(inside, toOutside, "out"),
      await once(outside, toPod, "in"),
    ]).toEqual(["own", "loopback", "out", "in"]);
    expect(ztunnel.pods.get(scene.pod.uid)?.proxy.counts).toMatchObject({ outbound: 1, inbound: 1 });
  });

  test("has no way by IPv6, in or out, and has it again afterwards", async () => {
    const scene = openScene();
    scene.ztunnel();
    const inside = await scene.pod.start(8080, { address: "::" });
    const outside = await startBusy(libc, poller, { namespace: scene.node, port: 9000, address: "::" });
    closers.push(() => outside.close());
    await scene.enrolment.admit(scene.pod);
    const [podV6, nodeV6] = await waitUntil("both ends have an address", () => {
      const both = [linkLocal(scene.pod.network.fd), linkLocal(scene.node.fd)];
      return both.includes(undefined) ? undefined : both;
    });
    const toNode = `once ${nodeV6}%eth0 9000`;
    const fromNode = `once ${podV6}%${scene.pod.hostLink} 8080`;
    const isOpen = async (): Promise<boolean> =>
      (await once(inside, toNode, "out")) === "out" && (await once(outside, fromNode, "in")) === "in";
    await waitUntil("both ways are open", isOpen);
    scene.label("ambient");
    await scene.until("capturing");
    expect(await once(inside, toNode, "out")).not.toBe("out");
    expect(await once(outside, fromNode, "in")).not.toBe("in");
    // Someone with the right to do so opens it again: the rules still refuse, until the setting is mended.
    writeSettings(libc, scene.pod.network.fd, new Map([["ipv6/conf/eth0/disable_ipv6", "0"]]));
    expect(await once(inside, toNode, "out")).not.toBe("out");
    expect(await once(outside, fromNode, "in")).not.toBe("in");
    scene.label(undefined);
    await scene.until("plain");
    await waitUntil("both ways are open again", isOpen);
  }, 30_000);

  const faults: readonly [string, string, (scene: Scene) => void][] = [
    ["the rule that captures", "rules", (scene) => removeRules(scene, (priority) => priority === 100)],
    ["every rule", "rules", (scene) => removeRules(scene, (priority) => priority > 0)],
    ["the capture's routes", "routes", removeRoutes],
    ["the program", "link", detachProgram],
    ["ztunnel's listeners", "listeners", emptyMap],
    [
      "a setting",
      "settings",
      (scene) => writeSettings(libc, scene.pod.network.fd, new Map([["ipv6/conf/eth0/disable_ipv6", "0"]])),
    ],
  ];
  test.each(faults)(
    "that loses %s is mended, and nothing leaves in the plain meanwhile",
    async (_, reason, harm) => {
      const { scene, inside, outside } = await enrolled();
      const counted = `lambient_enrolment_repairs_total{reason="${reason}"}`;
      const seen = openPacketCapture(libc, poller, `/proc/self/fd/${scene.node.fd}`);
      harm(scene);
      await waitUntil(
        "it is mended",
        async () => {
          await Promise.all([once(inside, toOutside, "secret-out"), once(outside, toPod, "secret-in")]);
          return scene.metrics().includes(counted);
        },
        5000,
      );
      expect(await once(inside, toOutside, "after-out")).toBe("after-out");
      expect(await once(outside, toPod, "after-in")).toBe("after-in");
      const packets = seen.finish();
      const holding = (text: string): number =>
        packets.filter(({ payload }) => payload.includes(text)).length;
      // What comes to the Pod comes in the plain here, which shows that the capture would see it.
      expect([holding("secret-out"), holding("after-in") > 0]).toEqual([0, true]);
    },
    20_000,
  );

  test("is refused at once while there is no ztunnel, and served again by the next", async () => {
    const { scene, ztunnel, inside } = await enrolled();
    ztunnel.close();
    await waitUntil("the node has noticed", () => isRefusing(scene));
    expect(await once(inside, toOutside, "lost")).toMatch(/UNREACH|REFUSED/);
    scene.ztunnel();
    await waitUntil("it is served", async () => (await once(inside, toOutside, "again")) === "again");
    expect(scene.metrics()).not.toContain('repairs_total{reason="rules"}');
  });

  test("stays captured without the node's program, and is taken over by the next as it is", async () => {
    const { scene, inside, outside } = await enrolled();
    await inside.say(`connect ${outsideAddress} 9000 5 kept`);
    await scene.enrolment.close();
    expect(await once(inside, toOutside, "alone")).toBe("alone");
    expect(await once(outside, toPod, "alone")).toBe("alone");
    const next = await scene.restart();
    const ztunnel = scene.ztunnel();
    await next.admit(scene.pod);
    await waitUntil("the next ztunnel is asked", async () => {
      await once(inside, toOutside, "next");
      return (ztunnel.pods.get(scene.pod.uid)?.proxy.counts.outbound ?? 0) > 0;
    });
    expect((await inside.say<BusyReport>("report")).client).toMatchObject({ open: 5, broken: 0 });
  });

  test("says by annotations what of it ztunnel leaves alone, while it runs too", async () => {
    const { scene, ztunnel, inside } = await enrolled();
    await inside.say(`connect ${outsideAddress} 9000 3 through`);
    const key = { namespace: scene.pod.namespace, name: scene.pod.name };
    const annotations = {
      "ambient.istio.io/bypass-inbound-capture": "true",
      "ambient.istio.io/dns-capture": "false",
    };
    await scene.kube.patch(podResource, key, { kind: "merge", value: { metadata: { annotations } } });
    await waitUntil("ztunnel knows", () => {
      const told = ztunnel.pods.get(scene.pod.uid)?.told;
      return told?.capturesInbound === false && !told.capturesDns;
    });
    await waitUntil("its questions are its own", () => !capturesNames(scene));
    expect((await inside.say<BusyReport>("report")).client).toMatchObject({ open: 3, broken: 0 });
  });

  test("that went while there was no program leaves nothing either", async () => {
    const { scene, ztunnel } = await enrolled();
    const next = await scene.restart();
    const later = scene.ztunnel();
    await waitUntil("it is kept", () => later.isSnapshotSent);
    expect(later.said).toEqual(["keep", "snapshotSent"]);
    await next.forget(scene.pod.uid);
    await waitUntil("ztunnel is told", () => later.said.includes("del"));
    expect(openPinned(libc, join(scene.runDir, "pods", `${scene.pod.uid}-link`))).toBeUndefined();
    expect(ztunnel.said).not.toContain("del");
  });

  test("that stood still when the node's program ended goes on with the next", async () => {
    const { scene, inside } = await enrolled();
    const group = join(readCgroupMounts().unified, scene.pod.cgroup.path);
    await scene.enrolment.close();
    writeFileSync(join(group, "cgroup.freeze"), "1");
    const next = await scene.restart();
    scene.ztunnel();
    await next.admit(scene.pod);
    expect((await inside.say<BusyReport>("report")).pid).toBeGreaterThan(0);
    expect(readFileSync(join(group, "cgroup.freeze"), "utf8").trim()).toBe("0");
  });

  test("that is gone leaves nothing", async () => {
    const { scene, ztunnel } = await enrolled();
    await scene.enrolment.forget(scene.pod.uid);
    await scene.enrolment.forget(scene.pod.uid);
    await waitUntil("ztunnel is told", () => ztunnel.said.includes("del"));
    expect(ztunnel.pods.get(scene.pod.uid)?.isDrained).toBe(false);
    expect(openPinned(libc, join(scene.runDir, "pods", `${scene.pod.uid}-link`))).toBeUndefined();
    expect(scene.enrolment.report()).toEqual([]);
  });
});

/** A Pod in the mesh, with a program in it and one outside. */
async function enrolled() {
  const scene = openScene();
  const ztunnel = scene.ztunnel();
  const programs = await startPrograms(scene);
  scene.label("ambient");
  await scene.enrolment.admit(scene.pod);
  return { scene, ztunnel, ...programs };
}

/** Writes as much as the kernel takes. */
function writeAll(fd: number): number {
  const bytes = Buffer.alloc(64 << 10, "x");
  for (let written = 0; ;) {
    const taken = libc.attempt("write", fd, bytes, bytes.length);
    if (taken <= 0) return written;
    written += taken;
  }
}

/** Reads to the end. */
async function countAll(fd: number): Promise<number> {
  const bytes = Buffer.alloc(256 << 10);
  for (let count = 0; ;) {
    const got = libc.attempt("read", fd, bytes, bytes.length);
    if (got === 0) return count;
    if (got > 0) count += got;
    else await readable(poller, fd);
  }
}

async function exchange(from: number, to: number): Promise<void> {
  const bytes = Buffer.from("hello");
  libc.call("Cannot write", "write", from, bytes, bytes.length);
  await readable(poller, to);
  const got = Buffer.alloc(16);
  expect(libc.call("Cannot read", "read", to, got, got.length)).toBe(bytes.length);
}

/** Priorities of the namespace's rules once the last held connection is over. */
async function plainness({ pod }: Scene): Promise<number[]> {
  using netlink = openNetlink(libc, pod.network.fd);
  return listRules(netlink, 4).map(({ priority }) => priority);
}

/** Whether name queries meet the capture. */
function capturesNames({ pod }: Scene): boolean {
  using netlink = openNetlink(libc, pod.network.fd);
  return listRules(netlink, 4).some(({ protocol }) => protocol === "udp");
}

/** Whether what is captured is refused for want of a ztunnel. */
function isRefusing({ pod }: Scene): boolean {
  using netlink = openNetlink(libc, pod.network.fd);
  return listRoutes(netlink, 4, captureTable).some(({ kind }) => kind === "unreachable");
}

function flowRules({ pod }: Scene): number {
  using netlink = openNetlink(libc, pod.network.fd);
  return listRules(netlink, 4).filter(({ priority }) => priority === 96 || priority === 97).length;
}

function removeRules({ pod }: Scene, isWanted: (priority: number) => boolean): void {
  using netlink = openNetlink(libc, pod.network.fd);
  for (const rule of listRules(netlink, 4)) if (isWanted(rule.priority)) deleteRule(netlink, rule);
}

function removeRoutes({ pod }: Scene): void {
  using netlink = openNetlink(libc, pod.network.fd);
  for (const route of listRoutes(netlink, 4, captureTable)) deleteRoute(netlink, route);
}

function detachProgram({ runDir, pod }: Scene): void {
  const fd = openPinned(libc, join(runDir, "pods", `${pod.uid}-link`)) ?? -1;
  detachLink(libc, fd);
  closeFd(libc, fd);
}

function emptyMap({ runDir, pod }: Scene): void {
  const fd = openPinned(libc, join(runDir, "pods", `${pod.uid}-map`)) ?? -1;
  for (const slot of Object.values(podListeners)) removeSocket(libc, fd, slot);
  closeFd(libc, fd);
}

/** The link-local address of a namespace's first link that has one. */
function linkLocal(namespaceFd: number): IpAddress | undefined {
  using netlink = openNetlink(libc, namespaceFd);
  return listAddresses(netlink).find(({ address }) => address.startsWith("fe80"))?.address;
}
