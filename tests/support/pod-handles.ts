/** Pods of a mesh in a test: made, looked at, and deleted through the API as clients do. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ContainerStatus, PodObject, PodSpec } from "../../k8s/model/pod.ts";
import type { Mesh } from "./mesh.ts";
import { waitUntil } from "./wait-until.ts";

/** Pods of one namespace of a mesh. */
export interface MeshPods {
  /** Makes an object of a core kind. @throws Error with the API's words */
  create(plural: string, object: object): Promise<void>;
  patch(path: string, value: object): Promise<void>;
  /** Makes a Pod on the mesh's node. */
  start(name: string, spec: PodSpec, labels?: Readonly<Record<string, string>>): Promise<void>;
  get(name: string): Promise<PodObject>;
  /** Waits until a Pod is so. @throws Error with its status when it never is */
  until(name: string, what: string, isSo: (pod: PodObject) => boolean): Promise<PodObject>;
  /** Waits until its containers are ready. */
  untilReady(name: string): Promise<PodObject>;
  delete(name: string, graceSeconds?: number): Promise<void>;
  untilGone(name: string): Promise<void>;
  /** What a run of a container wrote, without times. */
  log(pod: PodObject, container: string, run?: number): string;
  /** Processes by container, as the kubelet has them. */
  pids(pod: PodObject): Readonly<Record<string, number | undefined>>;
  /** Reasons of the Pod's Events. */
  events(name: string): Promise<readonly string[]>;
}

const longMs = 30_000;
const json = { "content-type": "application/json" };

/** Opens them. */
export function podsOf(mesh: Mesh, namespace = "default"): MeshPods {
  const core = `/api/v1/namespaces/${namespace}`;
  const ask = async (
    path: string,
    init: { method?: string; type?: string; body?: object } = {},
  ): Promise<string> => {
    const headers = init.type === undefined ? json : { "content-type": init.type };
    const { status, body } = await mesh.apiFetch(path, {
      method: init.method ?? "GET",
      headers,
      ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
    });
    if (status >= 300) throw new Error(`Cannot ${init.method ?? "GET"} ${path}: ${status} ${body}`);
    return body;
  };
  const get = async (name: string): Promise<PodObject> =>
    JSON.parse(await ask(`${core}/pods/${name}`)) as PodObject;
  const until: MeshPods["until"] = async (name, what, isSo) => {
    let pod = await get(name);
    try {
      await waitUntil(`Pod ${name} is ${what}`, async () => isSo((pod = await get(name))), longMs);
    } catch (error) {
      throw new Error(`Pod ${name} is never ${what}: ${JSON.stringify(pod.status)}`, { cause: error });
    }
    return pod;
  };
  return {
    create: async (plural, object) => void (await ask(`${core}/${plural}`, { method: "POST", body: object })),
    patch: async (path, value) =>
      void (await ask(`${core}/${path}`, {
        method: "PATCH",
        type: "application/merge-patch+json",
        body: value,
      })),
    start: async (name, spec, labels = {}) => {
      const metadata = { name, namespace, labels };
      const body = { apiVersion: "v1", kind: "Pod", metadata, spec: { nodeName: "node-0", ...spec } };
      await ask(`${core}/pods`, { method: "POST", body });
    },
    get,
    until,
    untilReady: (name) =>
      until(
        name,
        "ready",
        ({ status }) =>
          (status?.containerStatuses ?? []).length > 0 && containerOf(status?.containerStatuses).ready,
      ),
    delete: async (name, graceSeconds) => {
      const query = graceSeconds === undefined ? "" : `?gracePeriodSeconds=${graceSeconds}`;
      await ask(`${core}/pods/${name}${query}`, { method: "DELETE" });
    },
    untilGone: async (name) => {
      const isGone = async (): Promise<boolean> =>
        (await mesh.apiFetch(`${core}/pods/${name}`)).status === 404;
      await waitUntil(`Pod ${name} is gone`, isGone, longMs);
    },
    log: (pod, container, run = 0) => {
      const path = join(mesh.dataDir, "pods", pod.metadata.uid, "logs", container, `${run}.log`);
      return readFileSync(path, "utf8")
        .split("\n")
        .map((line) => line.replace(/^\S+ (stdout|stderr) [FP] ?/, ""))
        .join("\n");
    },
    pids: (pod) => {
      const path = join(mesh.runDir, "kubelet/records", `${pod.metadata.uid}.json`);
      const { containers } = JSON.parse(readFileSync(path, "utf8")) as {
        readonly containers: Readonly<Record<string, { readonly run?: { readonly pid?: number } }>>;
      };
      return Object.fromEntries(Object.entries(containers).map(([name, { run }]) => [name, run?.pid]));
    },
    events: async (name) => {
      const { items } = JSON.parse(await ask(`${core}/events`)) as {
        readonly items: readonly {
          readonly reason: string;
          readonly involvedObject: { readonly name?: string };
        }[];
      };
      return items.filter(({ involvedObject }) => involvedObject.name === name).map(({ reason }) => reason);
    },
  };
}

/** The only container's status. @throws Error when there is none */
export function containerOf(statuses: readonly ContainerStatus[] | undefined): ContainerStatus {
  const [status] = statuses ?? [];
  if (status === undefined) throw new Error("Cannot find the container's status: there is none");
  return status;
}
