/** Logs, exec, attach and port-forward by real kubectl on a whole mesh: of Pods that its own node runs, and of functions' instances. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { findKubernetesProgram, findOldKubectl, howToGetPeers } from "../support/kube-peers.ts";
import { bunInPods, bunMount, bunVolume } from "../support/bun-in-pods.ts";
import { type Mesh, startMesh } from "../support/mesh.ts";
import type { RunResult } from "../support/test-host.ts";
import { waitUntil } from "../support/wait-until.ts";

setDefaultTimeout(90_000);

const clients = [
  ["1.20", findOldKubectl()],
  ["1.37", findKubernetesProgram("kubectl")],
] as const;

const web =
  "Bun.serve({ hostname: '127.0.0.1', port: 8080, fetch: (r) => new Response('from ' + new URL(r.url).pathname) });";
const pods = JSON.stringify({
  apiVersion: "v1",
  kind: "List",
  items: [
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "talker" },
      spec: {
        terminationGracePeriodSeconds: 1,
        volumes: [bunVolume],
        initContainers: [{ name: "before", image: "any", command: ["sh", "-c", "echo prepared"] }],
        containers: [
          {
            name: "main",
            image: "any",
            stdin: true,
            env: [{ name: "COLOUR", value: "green" }],
            command: ["sh", "-c", 'echo started; while read line; do echo "heard $line"; done; sleep 1000'],
          },
          { name: "web", image: "any", command: [bunInPods, "-e", web], volumeMounts: [bunMount] },
        ],
      },
    },
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "brief" },
      spec: {
        restartPolicy: "Never",
        containers: [{ name: "main", image: "any", command: ["sh", "-c", "echo once; exit 4"] }],
      },
    },
  ],
});

let mesh: Mesh;

beforeAll(async () => {
  mesh = await startMesh({ flags: ["--pool-size", "1"] });
});
afterAll(async () => {
  await mesh.down();
  await mesh.host.close();
});

for (const [client, path] of clients) {
  const isThere = path !== undefined;
  const name = isThere ? `kubectl ${client}` : `kubectl ${client}: not on this machine; ${howToGetPeers}`;
  describe.skipIf(!isThere)(name, () => describeClient(client, path ?? "/nowhere"));
}

function describeClient(client: string, path: string): void {
  const namespace = `streams-${client.replace(".", "-")}`;
  const run = (args: readonly string[], input?: string): Promise<RunResult> =>
    mesh.host.run([path, "-n", namespace, ...args], {
      env: { KUBECONFIG: join(mesh.runDir, "kubeconfig"), HOME: join(mesh.runDir, "..") },
      timeoutMs: 30_000,
      ...(input === undefined ? {} : { input }),
    });
  const succeed = async (args: readonly string[], input?: string): Promise<string> => {
    const { code, stdout, stderr } = await run(args, input);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")} ended with ${code}: ${stderr}`);
    return stdout;
  };

  beforeAll(async () => {
    await succeed(["create", "namespace", namespace]);
    await succeed(["apply", "-f", "-"], pods);
    await succeed(["wait", "--for=condition=Ready", "pod/talker", "--timeout=30s"]);
  }, 60_000);
  afterAll(async () => {
    await succeed(["delete", "namespace", namespace]);
  });

  test("a container's log, an init container's, and that of a Pod that ended", async () => {
    expect(await succeed(["logs", "talker", "-c", "main"])).toStartWith("started\n");
    expect(await succeed(["logs", "talker", "-c", "before"])).toBe("prepared\n");
    expect(await waitUntil("it has run", async () => (await run(["logs", "brief", "-f"])).stdout)).toBe(
      "once\n",
    );
    const ended = await run(["exec", "brief", "--", "ls"]);
    expect([ended.code, ended.stderr]).toEqual([
      1,
      expect.stringMatching(/container not found|completed pod/),
    ]);
  });

  test("a command is in the container, with its environment, and its code is kubectl's", async () => {
    const inMain = ["exec", "-i", "talker", "-c", "main", "--"];
    const { code, stdout } = await run(
      [...inMain, "sh", "-c", "hostname; echo $COLOUR; cat; exit 6"],
      "typed",
    );
    expect([code, stdout]).toEqual([6, "talker\ngreen\ntyped"]);
    // The node's own sockets are not to be seen from a container.
    expect((await run([...inMain, "ls", mesh.runDir])).code).not.toBe(0);
    const processes = await succeed([...inMain, "sh", "-c", "cat /proc/1/cmdline | tr '\\0' ' '"]);
    expect(processes).toStartWith("sh -c echo started");
  });

  test("attach reaches the main process", async () => {
    const child = mesh.host.run([path, "-n", namespace, "attach", "-i", "talker", "-c", "main"], {
      env: { KUBECONFIG: join(mesh.runDir, "kubeconfig"), HOME: join(mesh.runDir, "..") },
      input: `hello from ${client}\n`,
      timeoutMs: 3000,
    });
    const heard = `heard hello from ${client}\n`;
    await waitUntil("it is heard", async () =>
      (await succeed(["logs", "talker", "-c", "main"])).includes(heard),
    );
    expect((await child).stdout).toBe(heard);
  });

  test("port-forward reaches a server that listens on the Pod's loopback only", async () => {
    const forward = await mesh.host.spawn([path, "-n", namespace, "port-forward", "talker", ":8080"], {
      env: { KUBECONFIG: join(mesh.runDir, "kubeconfig"), HOME: join(mesh.runDir, "..") },
    });
    const port = await waitUntil(
      "it listens",
      async () => /127\.0\.0\.1:(\d+) -> 8080/.exec((await forward.output()).stdout)?.[1],
    );
    const answer = await mesh.host.fetch(`http://127.0.0.1:${port}/deep`);
    expect(answer.body).toBe("from /deep");
    await forward.signal("SIGINT");
    await forward.wait();
  });

  test("the log of the instance before is kept when a container starts again", async () => {
    const script =
      "date +%N; test -e /cache/again || { touch /cache/again; exit 1; }; echo again; sleep 1000";
    const crashing = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "crashing" },
      spec: {
        terminationGracePeriodSeconds: 1,
        volumes: [{ name: "cache", emptyDir: {} }],
        containers: [
          {
            name: "main",
            image: "any",
            command: ["sh", "-c", script],
            volumeMounts: [{ name: "cache", mountPath: "/cache" }],
          },
        ],
      },
    };
    await succeed(["apply", "-f", "-"], JSON.stringify(crashing));
    const present = await waitUntil(
      "it runs again",
      async () => {
        const { stdout } = await run(["logs", "crashing"]);
        return stdout.includes("again") ? stdout : undefined;
      },
      30_000,
    );
    const previous = await succeed(["logs", "crashing", "--previous"]);
    expect(previous).toMatch(/^\d+\n$/);
    expect(present).not.toContain(previous);
    await succeed(["delete", "pod", "crashing"]);
  });

  test("a node that is killed takes its commands with it, and serves the same Pod anew", async () => {
    const command = mesh.host.run(
      [path, "-n", namespace, "exec", "talker", "-c", "main", "--", "sleep", "987"],
      {
        env: { KUBECONFIG: join(mesh.runDir, "kubeconfig"), HOME: join(mesh.runDir, "..") },
        timeoutMs: 20_000,
      },
    );
    const list = "for file in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $file; echo; done 2> /dev/null";
    const sleeps = async (): Promise<string> =>
      (await mesh.host.run(["sh", "-c", `(${list}) | grep -c '^sleep 987 $'`])).stdout.trim();
    await waitUntil("it runs", async () => (await sleeps()) === "1");
    const before = await mesh.pidOf("node");
    await mesh.host.run(["kill", "-9", String(before)]);
    expect((await command).code).toBe(1);
    await waitUntil("the command is gone", async () => (await sleeps()) === "0");
    await waitUntil("the node is back", async () => (await mesh.pidOf("node")) !== before);
    const echo = ["exec", "talker", "-c", "main", "--", "echo", "still here"];
    await waitUntil("it serves", async () => (await run(echo)).stdout === "still here\n", 20_000);
  });

  test("a function's instance shows its log, and nothing enters it", async () => {
    const source =
      "export default { fetch(request) { console.log('called', new URL(request.url).pathname); return new Response('ok'); } };";
    const name = `cart-${client.replace(".", "-")}`;
    await mesh.deployFunctions(namespace, { [name]: { source } });
    await mesh.call(`${name}.${namespace}`, { path: "/first" });
    const pod = await waitUntil(
      "its Pod is shown",
      async () =>
        /pod\/\S+/.exec(
          await succeed(["get", "pods", "-l", `lambient.dev/function=${name}`, "-o", "name"]),
        )?.[0],
    );
    await waitUntil("its line is there", async () => (await succeed(["logs", pod])) === "called /first\n");
    const refused = await run(["exec", pod, "--", "ls"]);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining("whose sandbox nothing can enter"),
    ]);
  });
}
