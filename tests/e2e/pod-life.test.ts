/** Pods of a mesh that nobody has labelled, from their binding to their end: as processes, through failures, through the death of the node's program. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { PodObject, PodSpec } from "../../k8s/model/pod.ts";
import { findKubernetesProgram, howToGetPeers } from "../support/kube-peers.ts";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { containerOf, type MeshPods, podsOf } from "../support/pod-handles.ts";
import { waitUntil } from "../support/wait-until.ts";

setDefaultTimeout(60_000);

const env = { LAMBIENT_RESTART_BACK_OFF_MS: "300" };
let mesh: Mesh;
let pods: MeshPods;

beforeAll(async () => {
  mesh = await startMesh({ env });
  pods = podsOf(mesh);
}, 90_000);
afterAll(async () => {
  await mesh.down();
  await mesh.host.close();
});

function shell(script: string, more: object = {}): PodSpec {
  return { containers: [{ name: "c", image: "local", command: ["sh", "-c", script], ...more }] };
}

function stateOf(pod: PodObject) {
  return containerOf(pod.status?.containerStatuses);
}

test("a Pod runs its init containers, then its containers with what it asked for", async () => {
  const configMap = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "settings" },
    data: { color: "blue" },
  };
  await pods.create("configmaps", configMap);
  await pods.create("secrets", {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "keys" },
    stringData: { token: "t0" },
  });
  const data = { name: "data", mountPath: "/data" };
  await pods.start("whole", {
    initContainers: [
      {
        name: "first",
        image: "local",
        command: ["sh", "-c", "echo made > /data/file"],
        volumeMounts: [data],
      },
      {
        name: "beside",
        image: "local",
        command: ["sh", "-c", "echo shared > /dev/shm/word; exec sleep 1000"],
        restartPolicy: "Always",
      },
    ],
    containers: [
      {
        name: "c",
        image: "local",
        command: [
          "sh",
          "-c",
          "cat /data/file /dev/shm/word; echo $COLOR $TOKEN $NAME $(GREETING); echo; while sleep 0.05; do cat /settings/color; echo; done",
        ],
        env: [
          { name: "GREETING", value: "hello" },
          { name: "COLOR", valueFrom: { configMapKeyRef: { name: "settings", key: "color" } } },
          { name: "TOKEN", valueFrom: { secretKeyRef: { name: "keys", key: "token" } } },
          { name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
        ],
        volumeMounts: [data, { name: "settings", mountPath: "/settings" }],
      },
    ],
    volumes: [
      { name: "data", emptyDir: { medium: "Memory" } },
      { name: "settings", configMap: { name: "settings" } },
    ],
  });
  const pod = await pods.untilReady("whole");
  expect(pod.status?.phase).toBe("Running");
  expect(pod.status?.podIP).toMatch(/^10\.244\.0\.(1[2-9]\d|2\d\d)$/);
  await waitUntil("it has written", () => pods.log(pod, "c").includes("blue\n"));
  expect(pods.log(pod, "c")).toStartWith("made\nshared\nblue t0 whole hello\n");
  await pods.patch("configmaps/settings", { data: { color: "green" } });
  await waitUntil("the new content is there", () => pods.log(pod, "c").includes("green\n"));
  expect(await pods.events("whole")).toEqual(expect.arrayContaining(["Pulled", "Created", "Started"]));
  await pods.delete("whole", 1);
  await pods.untilGone("whole");
});

test("a container that keeps failing waits longer and longer, and tells why", async () => {
  await pods.start("crash", shell("echo run; echo last words > /dev/termination-log; exit 3"));
  const waits = await pods.until(
    "crash",
    "waiting",
    (pod) => stateOf(pod).state.waiting?.reason === "CrashLoopBackOff" && stateOf(pod).restartCount > 1,
  );
  expect(stateOf(waits).lastState.terminated).toMatchObject({
    exitCode: 3,
    reason: "Error",
    message: "last words\n",
  });
  expect(pods.log(waits, "c", stateOf(waits).restartCount)).toBe("run\n");
  expect(await pods.events("crash")).toContain("BackOff");
  await pods.delete("crash", 0);
});

test.each<[string, PodSpec, string, object]>([
  [
    "memory",
    {
      restartPolicy: "Never",
      ...shell("exec python3 -c 'x = bytearray(200 << 20)'", { resources: { limits: { memory: "32Mi" } } }),
    },
    "Failed",
    { terminated: { exitCode: 137, reason: "OOMKilled" } },
  ],
  [
    "image",
    { containers: [{ name: "c", image: "nginx:1" }] },
    "Pending",
    { waiting: { reason: "ImagePullBackOff" } },
  ],
  [
    "program",
    { restartPolicy: "Never", containers: [{ name: "c", image: "local", command: ["no-such-program"] }] },
    "Failed",
    { terminated: { exitCode: 128, reason: "StartError" } },
  ],
  [
    "settings",
    shell("true", { envFrom: [{ configMapRef: { name: "none" } }] }),
    "Pending",
    { waiting: { reason: "CreateContainerConfigError", message: 'configmap "none" not found' } },
  ],
  [
    "success",
    { restartPolicy: "OnFailure", ...shell("true") },
    "Succeeded",
    { terminated: { exitCode: 0, reason: "Completed" } },
  ],
  [
    "deadline",
    { activeDeadlineSeconds: 1, terminationGracePeriodSeconds: 0, ...shell("sleep 100") },
    "Failed",
    { terminated: { exitCode: 137 } },
  ],
  [
    "privileges",
    shell("true", { securityContext: { privileged: true } }),
    "Pending",
    { waiting: { reason: "CreateContainerConfigError" } },
  ],
])("what stops a Pod is told: %s", async (name, spec, phase, state) => {
  await pods.start(`stop-${name}`, spec);
  const matches = (pod: PodObject): boolean => {
    if (pod.status?.phase !== phase) return false;
    try {
      expect(stateOf(pod).state).toMatchObject(state);
      return true;
    } catch {
      return false;
    }
  };
  await pods.until(`stop-${name}`, `${phase} so`, matches);
  await pods.delete(`stop-${name}`, 0);
  await pods.untilGone(`stop-${name}`);
});

test("probes and hooks decide when a container is ready and when it must go", async () => {
  const server = "mkdir -p /srv/w; cd /srv/w; test -e /data/hook; exec python3 -m http.server 8080";
  await pods.start("probed", {
    volumes: [{ name: "data", emptyDir: {} }],
    ...shell(server, {
      ports: [{ name: "web", containerPort: 8080 }],
      volumeMounts: [{ name: "data", mountPath: "/data" }],
      startupProbe: { httpGet: { path: "/", port: "web" }, periodSeconds: 1, failureThreshold: 30 },
      readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
      livenessProbe: {
        exec: { command: ["sh", "-c", "test ! -e /data/dead"] },
        periodSeconds: 1,
        failureThreshold: 1,
      },
      lifecycle: { postStart: { exec: { command: ["touch", "/data/hook"] } } },
    }),
    terminationGracePeriodSeconds: 1,
  });
  const ready = await pods.untilReady("probed");
  const folder = join(mesh.dataDir, "pods", ready.metadata.uid, "volumes/data");
  expect(existsSync(join(folder, "hook"))).toBe(true);
  await mesh.host.run(["touch", join(folder, "dead")]);
  const killed = await pods.until("probed", "killed", (pod) => stateOf(pod).restartCount === 1);
  await mesh.host.run(["rm", join(folder, "dead")]);
  expect(killed.metadata.uid).toBe(ready.metadata.uid);
  await pods.untilReady("probed");
  expect(await pods.events("probed")).toEqual(expect.arrayContaining(["Unhealthy", "Killing"]));
  await pods.delete("probed", 0);
});

test("a deletion calls the hook, signals, and leaves the container its grace", async () => {
  const script = "trap 'echo told > /data/told; exit 0' TERM; while true; do sleep 0.05; done";
  await pods.start("graceful", {
    volumes: [{ name: "data", hostPath: { path: "/nowhere" } }],
    ...shell(script),
  });
  await waitUntil("hostPath is refused", async () => (await pods.events("graceful")).includes("FailedMount"));
  await pods.delete("graceful", 0);
  await pods.untilGone("graceful");
  await pods.start("graceful", {
    ...shell("trap 'echo told; exit 0' TERM; echo up; while true; do sleep 0.05; done", {
      lifecycle: { preStop: { exec: { command: ["sh", "-c", "echo hook > /proc/1/fd/1"] } } },
    }),
  });
  const pod = await pods.untilReady("graceful");
  await waitUntil("it has begun", () => pods.log(pod, "c") === "up\n");
  await pods.delete("graceful", 20);
  await waitUntil("it is told", () => pods.log(pod, "c") === "up\nhook\ntold\n");
  await pods.untilGone("graceful");
  await pods.start("stubborn", shell("trap '' TERM; echo up; while true; do sleep 0.05; done"));
  await pods.untilReady("stubborn");
  await pods.delete("stubborn", 1);
  await pods.untilGone("stubborn");
});

test("a container sees nothing of the machine that is not its own", async () => {
  const looks = [
    `ls ${mesh.runDir} 2>&1`,
    `ls ${mesh.dataDir} 2>&1`,
    "wc -c < /etc/shadow",
    "ls /root | wc -l",
    "(echo x > /proc/sys/kernel/domainname) 2>&1",
    "ls /proc | grep -c '^[0-9]'",
    "(ip link add x type dummy) 2>&1 | head -c 30",
    "touch /usr/bin/own && echo written",
    "hostname",
    "echo end; exec sleep 1000",
  ].join("; ");
  await pods.start("inmate", shell(looks));
  const pod = await pods.untilReady("inmate");
  await waitUntil("it has looked", () => pods.log(pod, "c").includes("end\n"));
  const text = pods.log(pod, "c");
  expect(text).not.toContain("sock");
  expect(text).toContain("No such file or directory");
  expect(text).toMatch(/\n0\n0\n/);
  expect(text).toContain("Read-only file system");
  expect(text).toContain("RTNETLINK answers: Operation n");
  expect(text).toContain("written\ninmate\nend\n");
  expect(existsSync("/usr/bin/own")).toBe(false);
  await pods.delete("inmate", 0);
});

function service(name: string, spec: object): object {
  return { apiVersion: "v1", kind: "Service", metadata: { name }, spec };
}

test("Services and names work for Pods outside the mesh", async () => {
  const ports = [{ name: "http", port: 80, targetPort: 8080 }];
  await pods.create("services", service("web", { selector: { app: "web" }, ports }));
  await pods.create(
    "services",
    service("direct", { clusterIP: "None", selector: { app: "web" }, ports: [{ name: "http", port: 8080 }] }),
  );
  await pods.create("services", service("lonely", { selector: { app: "nobody" }, ports: [{ port: 80 }] }));
  const server = shell("mkdir /srv/w; cd /srv/w; echo page > index.html; exec python3 -m http.server 8080", {
    readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 },
  });
  await pods.start("web-0", { hostname: "web-0", subdomain: "direct", ...server }, { app: "web" });
  const { status } = await pods.untilReady("web-0");
  const script = `
import socket, urllib.request, os
def tell(what):
  try: print(what())
  except Exception as error: print(type(error).__name__, getattr(error, "reason", error))
tell(lambda: urllib.request.urlopen("http://web/", timeout=5).read())
tell(lambda: urllib.request.urlopen("http://web.default.svc.cluster.local/", timeout=5).read())
tell(lambda: urllib.request.urlopen("http://web-0.direct:8080/", timeout=5).read())
tell(lambda: socket.gethostbyname("direct"))
tell(lambda: socket.gethostbyname("nobody"))
tell(lambda: urllib.request.urlopen("http://lonely/", timeout=5).read())
tell(lambda: socket.gethostbyaddr(os.environ["WEB_SERVICE_HOST"])[0])
print("end", flush=True)
`;
  for (const hostNetwork of [false, true]) {
    const name = hostNetwork ? "asker-host" : "asker";
    const dnsPolicy = "ClusterFirstWithHostNet";
    await pods.start(name, {
      hostNetwork,
      dnsPolicy,
      restartPolicy: "Never",
      containers: [{ name: "c", image: "local", command: ["python3", "-c", script] }],
    });
    const done = await pods.until(name, "done", (pod) => pod.status?.phase === "Succeeded");
    expect(pods.log(done, "c").split("\n")).toEqual([
      "b'page\\n'",
      "b'page\\n'",
      "b'page\\n'",
      String(status?.podIP),
      "gaierror [Errno -2] Name or service not known",
      "URLError [Errno 111] Connection refused",
      "web.default.svc.cluster.local",
      "end",
      "",
    ]);
    await pods.delete(name, 0);
  }
  await pods.delete("web-0", 0);
});

test("a Pod reaches the API as its service account, by address and by name", async () => {
  const account = "/var/run/secrets/kubernetes.io/serviceaccount";
  const ask = (host: string): string =>
    `curl -sS --cacert ${account}/ca.crt -H "authorization: Bearer $(cat ${account}/token)" https://${host}/api/v1/namespaces/default/pods`;
  const script = `${ask("$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT")}; ${ask("kubernetes.default.svc")}`;
  await pods.start("client", { restartPolicy: "Never", ...shell(script) });
  const done = await pods.until("client", "done", ({ status }) => status?.phase === "Succeeded");
  const refusal = 'User \\"system:serviceaccount:default:default\\" cannot list resource';
  expect(pods.log(done, "c").split(refusal).length - 1).toBe(2);
  await pods.delete("client", 0);
});

const kubectl = findKubernetesProgram("kubectl");
const why = kubectl === undefined ? `: kubectl is not on this machine; ${howToGetPeers}` : "";

test.skipIf(kubectl === undefined)(
  `kubectl run -i passes input and its end, -it has a terminal${why}`,
  async () => {
    const KUBECONFIG = join(mesh.runDir, "kubeconfig");
    const options = { env: { KUBECONFIG, HOME: mesh.host.dir }, timeoutMs: 30_000 };
    const run = ["--rm", "--restart=Never", "--image=local"];
    const piped = [kubectl ?? "", "run", "-i", "piped", ...run, "--command", "--", "cat"];
    const input = "one\ntwo\n";
    expect((await mesh.host.run(piped, { ...options, input })).stdout).toStartWith(input);
    // What comes before a client has joined is in the log only: the program waits for a line.
    const script = "read line; tty -s && echo $line: $TERM";
    const typed = `${kubectl} run -it typed ${run.join(" ")} --command -- sh -c '${script}'`;
    const { stdout } = await mesh.host.run(["script", "-qec", typed, "/dev/null"], {
      ...options,
      input: "word\n",
    });
    expect(stdout).toContain("word: xterm");
  },
  60_000,
);

test("Pods live on when the node's program is killed: the same processes, logs and addresses", async () => {
  await pods.start("steady", {
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: "a",
        image: "local",
        command: ["sh", "-c", "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.02; done"],
      },
      {
        name: "b",
        image: "local",
        command: ["sh", "-c", "while test ! -e /go/now; do sleep 0.05; done; exit 7"],
        volumeMounts: [{ name: "go", mountPath: "/go" }],
      },
    ],
    volumes: [{ name: "go", emptyDir: {} }],
  });
  const before = await pods.until(
    "steady",
    "running",
    (pod) =>
      (pod.status?.containerStatuses ?? []).length === 2 &&
      (pod.status?.containerStatuses ?? []).every(({ ready }) => ready),
  );
  const pids = pods.pids(before);
  const program = await mesh.pidOf("node");
  await mesh.host.run(["kill", "-9", String(program)]);
  await waitUntil(
    "it runs again",
    async () => {
      const { stdout } = await mesh.command(["status"]);
      return /^node +ready/m.test(stdout) && (await mesh.pidOf("node")) !== program;
    },
    20_000,
  );
  expect(pods.pids(before)).toEqual(pids);
  const length = pods.log(before, "a").length;
  await waitUntil("its log goes on", () => pods.log(before, "a").length > length);
  const numbers = pods
    .log(before, "a")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => Number(line.split(" ")[1]));
  expect(numbers).toEqual(numbers.map((_, i) => i + 1));
  await mesh.host.run(["touch", join(mesh.dataDir, "pods", before.metadata.uid, "volumes/go/now")]);
  const restarted = await pods.until("steady", "restarted", (pod) =>
    (pod.status?.containerStatuses ?? []).some(({ name, restartCount }) => name === "b" && restartCount > 0),
  );
  const ended = restarted.status?.containerStatuses?.find(({ name }) => name === "b")?.lastState.terminated;
  expect(ended).toMatchObject({ exitCode: 7, reason: "Error" });
  expect(restarted.status?.podIP).toBe(String(before.status?.podIP));
  await pods.delete("steady", 0);
  await pods.untilGone("steady");
});

test("what was deleted while the node's program was away is cleared when it is back", async () => {
  await pods.start("orphan", shell("sleep 1000"));
  const pod = await pods.untilReady("orphan");
  const program = await mesh.pidOf("node");
  await mesh.host.run(["kill", "-STOP", String(program)]);
  await pods.delete("orphan", 0);
  await mesh.host.run(["kill", "-9", String(program)]);
  const left = [
    join(mesh.dataDir, "pods", pod.metadata.uid),
    join(mesh.runDir, "kubelet/records", `${pod.metadata.uid}.json`),
  ];
  await waitUntil("nothing is left of it", () => !left.some((path) => existsSync(path)), 20_000);
});

test("down leaves nothing of Pods that run, and up brings them back", async () => {
  const first = await startMesh({ env });
  const { host, runDir, dataDir } = first;
  try {
    await podsOf(first).start("comeback", {
      terminationGracePeriodSeconds: 1,
      ...shell("echo up; exec sleep 1000"),
    });
    await podsOf(first).start("job", { restartPolicy: "Never", ...shell("exec sleep 1000") });
    for (const name of ["comeback", "job"]) await podsOf(first).untilReady(name);
    await first.down();
    expect(await first.leaks()).toEqual([]);
    const second = await startMesh({ host, runDir, dataDir, env });
    const again = podsOf(second);
    const isBack = (pod: PodObject): boolean => stateOf(pod).restartCount === 1 && stateOf(pod).ready;
    const pod = await again.until("comeback", "back", isBack);
    expect(again.log(pod, "c", 1)).toBe("up\n");
    expect(stateOf(pod).lastState.terminated?.reason).toBe("ContainerStatusUnknown");
    await again.until("job", "failed", ({ status }) => status?.phase === "Failed");
    await again.delete("job", 0);
    await again.delete("comeback", 0);
    await again.untilGone("comeback");
    await waitUntil("nothing is left of it", () => readdirSync(join(dataDir, "pods")).length === 0);
    await second.down();
    expect(await second.leaks()).toEqual([]);
  } finally {
    await host.close();
  }
});

test("the node's program may be killed at any moment of a start: each container runs once", async () => {
  const names = Array.from({ length: 8 }, (_, i) => `sudden-${i}`);
  const starting = Promise.all(names.map((name) => pods.start(name, shell("exec sleep 4711"))));
  for (let kills = 0; kills < 2; kills++) {
    const program = await mesh.pidOf("node");
    await mesh.host.run(["kill", "-9", String(program)]);
    await waitUntil("it runs again", async () => (await mesh.pidOf("node").catch(() => program)) !== program);
  }
  await starting;
  for (const name of names) await pods.untilReady(name);
  const { processes } = await mesh.host.snapshot();
  expect(processes.filter((line) => line.includes("sleep 4711")).length).toBe(names.length);
  for (const name of names) await pods.delete(name, 0);
  for (const name of names) await pods.untilGone(name);
});
