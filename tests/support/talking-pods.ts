/** Pods of a whole mesh in a test: made by the API, run by the node's program, talking as tests/e2e/fixtures/talker.ts does. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openNetworkNamespace, type NetworkNamespace } from "#host/linux/namespaces.ts";
import type { PodObject } from "../../k8s/model/pod.ts";
import { bunInPods, bunMount, bunVolume } from "./bun-in-pods.ts";
import type { Mesh } from "./mesh.ts";
import { waitUntil } from "./wait-until.ts";

/** What a talker says of itself. */
export interface TalkerReport {
  readonly pid: number;
  readonly served: number;
  /** Of those that lasted. */
  readonly servedBroken: number;
  readonly kept: number;
  readonly keptBroken: number;
  readonly keptExchanged: number;
  readonly ok: number;
  readonly failed: number;
  readonly slowestMs: number;
}

/** Pods of one namespace. */
export interface TalkingPods {
  /** Makes a Pod with a talker and waits until it has an address; its label `app` is its name. */
  add(name: string, env: Readonly<Record<string, string>>, more?: PodMore): Promise<PodObject>;
  find(name: string): Promise<PodObject>;
  /** Makes a Service in front of the Pods whose label `app` is its name, on the port that talkers serve. */
  addService(name: string, port: number): Promise<void>;
  /** The latest that its talker has said. */
  report(name: string): Promise<TalkerReport>;
  /** Waits until what its talker says is as wanted. */
  until(name: string, what: string, isSo: (report: TalkerReport) => boolean): Promise<TalkerReport>;
  /** Sets or removes the namespace's label. */
  label(value: "ambient" | undefined): Promise<void>;
  /** Waits until a Pod's redirection annotation has the value. */
  untilRedirection(name: string, value: "enabled" | undefined): Promise<void>;
  /** The Pod's network; the caller closes it. */
  networkOf(pod: PodObject): Promise<NetworkNamespace>;
}

/** How a Pod is, besides. */
export interface PodMore {
  readonly labels?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
}

const dataplaneMode = "istio.io/dataplane-mode";
/** Many may be started at once, on a machine that does other things. */
const runsWithinMs = 60_000;
const redirection = "ambient.istio.io/redirection";

/** Makes a namespace for Pods. */
export async function makeTalkingPods(mesh: Mesh, namespace: string): Promise<TalkingPods> {
  const path = `/api/v1/namespaces/${namespace}`;
  const source = readFileSync(join(import.meta.dir, "../e2e/fixtures/talker.ts"), "utf8");
  const send = async (method: string, where: string, body: unknown): Promise<string> => {
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const init = { method, body: JSON.stringify(body), headers: { "content-type": type } };
    const answer = await mesh.apiFetch(where, init);
    if (answer.status >= 300) throw new Error(`Cannot ${method} ${where}: ${answer.status} ${answer.body}`);
    return answer.body;
  };
  await send("POST", "/api/v1/namespaces", { metadata: { name: namespace } });
  const find = async (name: string): Promise<PodObject> =>
    JSON.parse((await mesh.apiFetch(`${path}/pods/${name}`)).body) as PodObject;
  const report = async (name: string): Promise<TalkerReport> => {
    const { status, body } = await mesh.apiFetch(`${path}/pods/${name}/log?tailLines=1`);
    if (status !== 200) throw new Error(`Cannot read the log of ${name}: ${status} ${body}`);
    return JSON.parse(body) as TalkerReport;
  };
  return {
    find,
    report,
    async addService(name, port) {
      const spec = { selector: { app: name }, ports: [{ name: "tcp", port, targetPort: port }] };
      await send("POST", `${path}/services`, { metadata: { name }, spec });
    },
    async add(name, env, { labels = {}, command = [bunInPods, "-e", source] } = {}) {
      await send("POST", `${path}/serviceaccounts`, { metadata: { name } });
      const container = {
        name: "main",
        image: "local",
        command,
        env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
        volumeMounts: [bunMount],
      };
      const metadata = { name, labels: { app: name, ...labels } };
      const spec = {
        serviceAccountName: name,
        containers: [container],
        volumes: [bunVolume],
        terminationGracePeriodSeconds: 1,
      };
      await send("POST", `${path}/pods`, { metadata, spec });
      const isRunning = async (): Promise<PodObject | undefined> => {
        const pod = await find(name);
        return pod.status?.podIP !== undefined && pod.status.phase === "Running" ? pod : undefined;
      };
      return await waitUntil(`Pod ${name} runs`, isRunning, runsWithinMs);
    },
    until: (name, what, isSo) =>
      waitUntil(`${name} says that ${what}`, async () => {
        const said = await report(name);
        return isSo(said) ? said : undefined;
      }),
    async label(value) {
      const labels = { [dataplaneMode]: value ?? null };
      await send("PATCH", path, { metadata: { labels } });
    },
    async untilRedirection(name, value) {
      await waitUntil(`Pod ${name} is annotated with ${value ?? "nothing"}`, async () => {
        const pod = await find(name);
        return pod.metadata.annotations?.[redirection] === value;
      });
    },
    async networkOf({ metadata: { uid } }) {
      const ztunnel = await mesh.pidOf("ztunnel");
      const place = join("root", mesh.runDir, "kubelet/networks", uid);
      return openNetworkNamespace(mesh.host.procPath(ztunnel, place));
    },
  };
}
