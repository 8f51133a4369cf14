/** The API with a Pod of one container that runs, whose node is a scripted kubelet over the real streams: for clients of logs, exec, attach and port-forward. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Cgroup, openCgroup, readCgroupMounts } from "#host/linux/cgroup.ts";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { findLink, setLinkUp } from "#host/linux/links.ts";
import { type NetworkNamespace, openNetworkNamespace } from "#host/linux/namespaces.ts";
import { openNetlink } from "#host/linux/netlink.ts";
import { openPoller, type Poller } from "#host/linux/poller.ts";
import { type Child, spawnChild } from "#host/linux/spawn.ts";
import { silentLog } from "#host/log.ts";
import { MeshError } from "#host/mesh-error.ts";
import type {
  ContainerAccess,
  ContainerLogLine,
  ContainerStreams,
  LogRequest,
} from "../../k8s/node/kubelet/container-access.ts";
import { makeApiTokenTest } from "../../k8s/node/streams/api-token.ts";
import { serveStreams, type StreamServer } from "../../k8s/node/streams/serve-streams.ts";
import { type ContainerPlace, startInContainer } from "../../k8s/node/streams/start-in-container.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";

/** What the scene is made of. */
export interface StreamScene extends AsyncDisposable {
  readonly plane: ControlPlane;
  readonly folder: string;
  readonly kubeconfig: string;
  readonly apiPort: number;
  readonly server: StreamServer;
  readonly cgroup: Cgroup;
  readonly network: NetworkNamespace;
  readonly libc: Libc;
  /** Adds a line to the container's log. */
  log(text: string, stream?: "stdout" | "stderr"): void;
  /** Ends the log: those who follow it are done. */
  endLog(): void;
  /** Processes of commands: all but the container's own. */
  commands(): number[];
}

/** The Pod's name. */
const podName = "talker";

/** Starts everything. The Pod is `default/talker` with the container `main`, and a second one, `idle`, that waits to start. */
export async function openStreamScene(): Promise<StreamScene> {
  const folder = mkdtempSync(join(tmpdir(), "lambient-stream-scene-"));
  const libc = openLibc();
  const poller = await openPoller(libc);
  const cgroup = openCgroup(readCgroupMounts(), `lambient-stream-scene-${process.pid}`);
  const container = await startContainer(libc, poller, cgroup);
  const network = openNetworkNamespace(`/proc/${container.pid}/ns/net`);
  {
    const netlink = openNetlink(libc, network.fd);
    setLinkUp(netlink, findLink(netlink, "lo") ?? 1);
    netlink.close();
  }
  const plane = await startControlPlane();
  const apiPort = Number(/apiPort[^0-9]*(\d+)/.exec(plane.log())?.[1]);
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, await kubeconfigOf(plane, apiPort), { mode: 0o600 });
  const uid = await makePod(plane);
  const log = new GrowingLog();
  const place: ContainerPlace = {
    pid: container.pid,
    cgroup,
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: "/root" },
    workingDir: "/",
    uid: 0,
    last: [],
  };
  const access = scriptedAccess({ host: { libc, poller }, place, uid, log, network });
  const server = serveStreams({
    socketPath: join(plane.runDir, "kubelet.sock"),
    access,
    isApi: makeApiTokenTest(join(plane.runDir, "token-key.pem")),
    libc,
    poller,
    log: silentLog,
  });
  return {
    plane,
    folder,
    kubeconfig,
    apiPort,
    server,
    cgroup,
    network,
    libc,
    log: (text, stream = "stdout") => log.add(text, stream),
    endLog: () => log.end(),
    commands: () => cgroup.pids().filter((pid) => pid !== container.pid && isAlive(pid)),
    async [Symbol.asyncDispose]() {
      server.close();
      await plane[Symbol.asyncDispose]();
      cgroup.kill();
      await container.exited;
      await cgroup.remove(5000);
      network.close();
      poller.close();
      closeLibc(libc);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startContainer(libc: Libc, poller: Poller, cgroup: Cgroup): Promise<Child> {
  const container = spawnChild(libc, poller, {
    executable: "/bin/sleep",
    args: ["600"],
    env: {},
    fds: new Map(),
    newNamespaces: ["pid", "network", "uts", "ipc", "mount"],
    before: [
      // MS_REC | MS_PRIVATE: what is mounted here must not appear on the machine.
      { what: "Cannot keep mounts private", name: "mount", args: ["none", "/", 0, 0x44000, 0] },
      { what: "Cannot mount /proc", name: "mount", args: ["proc", "/proc", "proc", 0, 0] },
    ],
  });
  await cgroup.join(container.pid);
  return container;
}

async function kubeconfigOf(plane: ControlPlane, port: number): Promise<string> {
  const ca = Buffer.from(await Bun.file(join(plane.runDir, "ca.pem")).text()).toString("base64");
  const token = await Bun.file(join(plane.runDir, "tokens/admin")).text();
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "test",
        cluster: { server: `https://127.0.0.1:${port}`, "certificate-authority-data": ca },
      },
    ],
    users: [{ name: "test", user: { token: token.trim() } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    "current-context": "test",
  });
}

/** @returns its uid */
async function makePod(plane: ControlPlane): Promise<string> {
  // A Pod of a node that is not there would be cleared away.
  await api(plane, "POST", "/api/v1/nodes", { apiVersion: "v1", kind: "Node", metadata: { name: "node-0" } });
  const made = await api(plane, "POST", "/api/v1/namespaces/default/pods", {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: podName },
    spec: {
      nodeName: "node-0",
      containers: [
        { name: "main", image: "main", stdin: true },
        { name: "idle", image: "idle" },
      ],
    },
  });
  const running = { running: { startedAt: "2026-01-01T00:00:00Z" } };
  const shared = { ready: true, restartCount: 0, image: "x", imageID: "x" };
  await api(plane, "PATCH", `/api/v1/namespaces/default/pods/${podName}/status`, {
    status: {
      phase: "Running",
      containerStatuses: [
        { name: "main", state: running, containerID: "lambient://1", ...shared },
        { name: "idle", state: { waiting: { reason: "ContainerCreating" } }, ...shared },
      ],
    },
  });
  return (made as { metadata: { uid: string } }).metadata.uid;
}

async function api(plane: ControlPlane, method: string, path: string, body: unknown): Promise<unknown> {
  const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  const response = await plane.fetch("admin", path, {
    method,
    headers: { "content-type": type },
    body: JSON.stringify(body),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(`Cannot ${method} ${path}: ${JSON.stringify(answer)}`);
  return answer;
}

/** A log that grows until it ends, for any number of readers. */
class GrowingLog {
  readonly #lines: ContainerLogLine[] = [];
  #isEnded = false;
  #wake = Promise.withResolvers<void>();

  add(text: string, stream: "stdout" | "stderr"): void {
    const time = new Date(Date.UTC(2026, 0, 1) + this.#lines.length * 1000).toISOString();
    this.#lines.push({ time: `${time.slice(0, -1)}000000Z`, stream, text, isWhole: true });
    this.#tell();
  }

  end(): void {
    this.#isEnded = true;
    this.#tell();
  }

  async *read({ tailLines, sinceTimeMs, follow, signal }: LogRequest): AsyncGenerator<ContainerLogLine> {
    signal.addEventListener("abort", () => this.#tell());
    let at = tailLines === undefined ? 0 : Math.max(0, this.#lines.length - tailLines);
    while (!signal.aborted) {
      for (let line = this.#lines[at]; line !== undefined; line = this.#lines[++at])
        if (Date.parse(line.time) >= (sinceTimeMs ?? 0)) yield line;
      if (!follow || this.#isEnded) return;
      await this.#wake.promise;
    }
  }

  #tell(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers<void>();
    resolve();
  }
}

function scriptedAccess(given: {
  readonly host: { readonly libc: Libc; readonly poller: Poller };
  readonly place: ContainerPlace;
  readonly uid: string;
  readonly log: GrowingLog;
  readonly network: NetworkNamespace;
}): ContainerAccess {
  const check = (podUid: string): void => {
    if (podUid !== given.uid) throw new MeshError("not-found", `Cannot find a Pod with the uid ${podUid}`);
  };
  return {
    openLog(request) {
      check(request.podUid);
      return given.log.read(request);
    },
    async startIn(request) {
      check(request.podUid);
      return startInContainer(given.host, given.place, request);
    },
    async attachTo(request): Promise<ContainerStreams> {
      check(request.podUid);
      const command = ["sh", "-c", 'while read line; do echo "heard $line"; done; echo bye'];
      return startInContainer(given.host, given.place, { command, tty: false, stdin: request.stdin });
    },
    networkOf(podUid) {
      check(podUid);
      return given.network.fd;
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
