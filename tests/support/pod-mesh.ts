/** A real control plane and a real ztunnel with Pods that exist in the API and, by hand, on the node: what a kubelet and enrolment do is played. */
import { join } from "node:path";
import type { KubeClient } from "#host/kube/kube-client.ts";
import type { Libc } from "#host/linux/libc.ts";
import type { NetworkNamespace } from "#host/linux/namespaces.ts";
import { namespaceResource, serviceAccountResource, serviceResource } from "../../k8s/model/core-objects.ts";
import { podResource } from "../../k8s/model/pod.ts";
import {
  type BarePod,
  type BareCapture,
  captureBarePod,
  makeBarePod,
  preparePodNode,
} from "./captured-pod.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { spawnIn } from "./node-pair.ts";
import { serveEcho } from "./pod-scene.ts";
import { type ScriptedNode, scriptNode } from "./scripted-node.ts";
import { collectLines } from "./ztunnel-pair.ts";
import { makeMeshNode, slotNameserver, type ZtunnelDump } from "./ztunnel-node.ts";

/** The mesh. */
export interface PodMesh extends AsyncDisposable {
  readonly plane: ControlPlane;
  readonly kube: KubeClient;
  readonly node: NetworkNamespace;
  readonly lines: readonly string[];
  readonly log: readonly string[];
  /** Peers that the echo in each Pod has seen, as `<pod> <address>`. */
  readonly seen: readonly string[];
  /** Makes a Pod of `shop` that is ready and serves an echo; its service account and its label `app` are its name. */
  addPod(name: string, address: string): Promise<BarePod>;
  /** Takes a Pod into the mesh, as enrolment does: ztunnel first, then its rules, then its annotation. */
  enrol(pod: BarePod, policies?: readonly string[]): Promise<void>;
  /** Makes a Service in front of the Pods of a name. */
  addService(name: string): Promise<string>;
  dump(): Promise<ZtunnelDump>;
}

/** The namespace of everything in it. */
const namespace = "shop";

/** Starts one without Pods. */
export async function startPodMesh(libc: Libc): Promise<PodMesh> {
  const plane = await startControlPlane();
  const node = makeMeshNode(libc);
  preparePodNode(libc, node);
  const slots = scriptNode(libc, join(plane.runDir, "zds.sock"));
  const agent = scriptNode(libc, join(plane.runDir, "pods.sock"));
  const argv = [process.execPath, join(import.meta.dir, "../../ztunnel/main.ts"), "--run-dir", plane.runDir];
  const child = spawnIn(libc, node, [...argv, "--drain-ms", "200", "--log-level", "debug"]);
  const [lines, log, seen]: [string[], string[], string[]] = [[], [], []];
  void collectLines(child.stdout, lines);
  void collectLines(child.stderr, log);
  await Promise.all([slots.accept(), agent.accept()]);
  await agent.say({ case: "snapshotSent", value: {} });
  await plane.kube.create(namespaceResource, { metadata: { name: namespace } });
  const open: Disposable[] = [];
  const socket = join(plane.runDir, "admin", "ztunnel.sock");
  return {
    plane,
    kube: plane.kube,
    node,
    lines,
    log,
    seen,
    async addPod(name, address) {
      const pod = makeBarePod(libc, node, name, address);
      const echo = serveEcho(libc, pod, seen);
      open.push({ [Symbol.dispose]: () => echo.stop(true) }, pod);
      await addPodObject(plane.kube, name, address);
      return pod;
    },
    async enrol(pod, policies = []) {
      const options = { nameserver: slotNameserver, policies };
      const capture = captureBarePod(libc, pod, pod.name, options);
      open.push(capture);
      await takeIn(agent, pod, capture);
      await annotate(plane.kube, pod.name);
    },
    async addService(name) {
      const spec = { selector: { app: name }, ports: [{ name: "tcp", port: 80, targetPort: "echo" }] };
      const service = await plane.kube.create(serviceResource, { metadata: { namespace, name }, spec });
      return service.spec.clusterIP ?? "";
    },
    async dump() {
      // Sound: it is what config-dump.ts writes.
      return (await (await fetch("http://admin/config_dump", { unix: socket })).json()) as ZtunnelDump;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.exited;
      for (const each of open.toReversed()) each[Symbol.dispose]();
      for (const each of [slots, agent]) each[Symbol.dispose]();
      await plane[Symbol.asyncDispose]();
      node.close();
    },
  };
}

async function takeIn(agent: ScriptedNode, pod: BarePod, capture: BareCapture): Promise<void> {
  const error = await agent.say(capture.request, capture.fds);
  if (error !== "") throw new Error(`Cannot enrol ${pod.name}: ${error}`);
  capture.addRules();
}

/** Makes a Pod's object and says that it is ready, as a kubelet does. */
async function addPodObject(kube: KubeClient, name: string, address: string): Promise<void> {
  await kube.create(serviceAccountResource, { metadata: { namespace, name } }).catch(() => undefined); // there already
  await kube.create(podResource, {
    metadata: { namespace, name, labels: { app: name } },
    spec: {
      nodeName: "node-0",
      serviceAccountName: name,
      containers: [{ name: "main", image: "local", ports: [{ name: "echo", containerPort: 8080 }] }],
    },
  });
  const conditions = [{ type: "Ready", status: "True" }];
  const status = { phase: "Running", podIP: address, podIPs: [{ ip: address }], conditions };
  await kube.patchStatus(podResource, { namespace, name }, { kind: "merge", value: { status } });
}

/** Says that a Pod's connections are captured, as enrolment does. */
async function annotate(kube: KubeClient, name: string): Promise<void> {
  const annotations = { "ambient.istio.io/redirection": "enabled" };
  const value = { metadata: { annotations } };
  await kube.patchStatus(podResource, { namespace, name }, { kind: "merge", value });
}
