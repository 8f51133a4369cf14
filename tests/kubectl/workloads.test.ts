/** Pods and what makes them, by kubectl, on the mesh's own node: processes that really run. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { describeKubectl, type KubectlScene } from "./scene.ts";

setDefaultTimeout(90_000);

function deployment(namespace: string, script: string, replicas = 2): string {
  const container = { name: "main", image: "shop/web", command: ["sh", "-c", script] };
  return JSON.stringify({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace },
    spec: {
      replicas,
      selector: { matchLabels: { app: "web" } },
      template: {
        metadata: { labels: { app: "web" } },
        spec: { terminationGracePeriodSeconds: 1, containers: [container] },
      },
    },
  });
}

function pod(namespace: string, name: string, script: string, more: object = {}): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: { app: name } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: "main", image: "shop/tool", command: ["sh", "-c", script], ...more }],
    },
  });
}

function template(script: string, restartPolicy: string): object {
  const containers = [{ name: "main", image: "i", command: ["sh", "-c", script] }];
  return {
    metadata: { labels: { app: "x" } },
    spec: { restartPolicy, terminationGracePeriodSeconds: 1, containers },
  };
}

const forever = "while :; do sleep 1; done";

async function runPod(scene: KubectlScene, namespace: string, script: string): Promise<void> {
  await scene.feed(pod(namespace, "tool", script), "apply", "-f", "-");
  await scene.run("wait", "--for=condition=Ready", "pod/tool", "--timeout=30s", "-n", namespace);
}

describeKubectl("workloads", ["mesh"], (scene) => {
  const { run, feed, attempt } = scene;

  test("a deployment rolls out, scales, changes, and goes back", async () => {
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace];
    // Whose Pod is asked is kubectl's choice: one that is on its way out may be among them for a moment.
    const logged = async (word: string): Promise<void> => {
      // The one that is asked may be gone by then.
      while (!(await attempt(["logs", "deployment/web", ...at])).stdout.includes(`${word}\n`))
        await Bun.sleep(100);
    };
    await feed(deployment(namespace, `echo one; ${forever}`), "apply", "-f", "-");
    expect(await run("rollout", "status", "deployment/web", "--timeout=60s", ...at)).toContain(
      "successfully rolled out",
    );
    expect(await run("get", "deployment", "web", ...at)).toMatch(
      /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +2\/2 +2 +2 +\d+s\n$/,
    );
    expect(await run("get", "pods", ...at)).toMatch(
      /^NAME +READY +STATUS +RESTARTS +AGE\n(web-\S+ +1\/1 +Running +0 +\d+s\n){2}$/,
    );
    expect(await run("get", "pods", "-o", "wide", ...at)).toMatch(
      / 10\.244\.0\.\d+ +node-0 +<none> +<none>\n/,
    );
    expect(await run("scale", "deployment/web", "--replicas=3", ...at)).toBe("deployment.apps/web scaled\n");
    await run("rollout", "status", "deployment/web", "--timeout=60s", ...at);
    await feed(deployment(namespace, `echo two; ${forever}`, 3), "apply", "-f", "-");
    await run("rollout", "status", "deployment/web", "--timeout=60s", ...at);
    const history = await run("rollout", "history", "deployment/web", ...at);
    expect(history).toMatch(/REVISION +CHANGE-CAUSE\n1 .*\n2 /);
    await logged("two");
    expect(await run("rollout", "undo", "deployment/web", ...at)).toContain("rolled back");
    await run("rollout", "status", "deployment/web", "--timeout=60s", ...at);
    await logged("one");
    expect(await run("rollout", "restart", "deployment/web", ...at)).toContain("restarted");
    await run("rollout", "status", "deployment/web", "--timeout=60s", ...at);
    expect(await run("set", "env", "deployment/web", "COLOR=red", ...at)).toContain("env updated");
    expect(await run("expose", "deployment", "web", "--port=80", "--target-port=8080", ...at)).toContain(
      "exposed",
    );
    expect(await run("describe", "deployment", "web", ...at)).toMatch(/StrategyType: +RollingUpdate\n/);
    await run("delete", "deployment", "web", ...at);
    await run("wait", "--for=delete", "pod", "-l", "app=web", "--timeout=30s", ...at).catch(
      (error: unknown) => expect(String(error)).toMatch(/NotFound|no matching resources/),
    );
    expect(await run("get", "pods,rs", ...at)).toBe("");
  });

  test("logs follow, and tell of the run before", async () => {
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace];
    await runPod(scene, namespace, `i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done`);
    const followed = await attempt(["logs", "-f", "tool", "--request-timeout=2s", ...at], {
      timeoutMs: 4000,
    });
    const lines = followed.stdout.trim().split("\n");
    expect(lines.slice(0, 3)).toEqual(["line 1", "line 2", "line 3"]);
    expect(lines.length).toBeGreaterThan(5);
    expect(await run("logs", "tool", "--tail=1", ...at)).toMatch(/^line \d+\n$/);
    expect(await run("logs", "tool", "--timestamps", "--tail=1", ...at)).toMatch(
      /^\d{4}-\d\d-\d\dT\S+Z line \d+\n$/,
    );
    expect((await attempt(["logs", "absent", ...at])).stderr).toContain('pods "absent" not found');
    await feed(pod(namespace, "crasher", "echo last words; sleep 1; exit 3"), "apply", "-f", "-");
    await run("wait", "--for=condition=Ready", "pod/crasher", "--timeout=30s", ...at);
    const restarted = async (): Promise<boolean> =>
      (await run(
        "get",
        "pod",
        "crasher",
        "-o",
        "jsonpath={.status.containerStatuses[0].restartCount}",
        ...at,
      )) !== "0";
    while (!(await restarted())) await Bun.sleep(200);
    expect(await run("logs", "crasher", "--previous", ...at)).toBe("last words\n");
    expect(
      await run(
        "get",
        "pod",
        "crasher",
        "-o",
        "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}",
        ...at,
      ),
    ).toBe("3");
  });

  test("exec runs commands with input and tells how they end; cp copies", async () => {
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace];
    await runPod(scene, namespace, forever);
    expect(await run("exec", "tool", ...at, "--", "sh", "-c", "echo out; echo err >&2")).toBe("out\n");
    const fails = await attempt(["exec", "tool", ...at, "--", "sh", "-c", "exit 7"]);
    expect(fails).toMatchObject({ code: 7 });
    expect(fails.stderr).toContain("command terminated with exit code 7");
    expect(await feed("to standard input", "exec", "-i", "tool", ...at, "--", "cat")).toBe(
      "to standard input",
    );
    expect((await attempt(["exec", "tool", ...at, "--", "/no/such/command"])).code).not.toBe(0);
    const file = scene.writeFile("copied.txt", "copied\n");
    await run("cp", file, `${namespace}/tool:/tmp/there.txt`);
    expect(await run("exec", "tool", ...at, "--", "cat", "/tmp/there.txt")).toBe("copied\n");
    // Its root is its own: the node's files are as they were.
    expect(await Bun.file("/tmp/there.txt").exists()).toBe(false);
  });

  test("describe tells of each kind, with its Events", async () => {
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace];
    await runPod(scene, namespace, forever);
    const told = await run("describe", "pod", "tool", ...at);
    expect(told).toMatch(/Status: +Running\n/);
    expect(told).toMatch(/Events:\n(.*\n)*.*Scheduled .*Successfully assigned/);
    expect(told).toMatch(/Normal +Started /);
    expect(await run("get", "events", ...at)).toMatch(/Normal +Scheduled +pod\/tool +Successfully assigned/);
    await run("create", "service", "clusterip", "tool", "--tcp=80:8080", ...at);
    const endpoints = async (): Promise<string> => run("describe", "service", "tool", ...at);
    while (!/Endpoints: +10\.244\.0\.\d+:8080/.test(await endpoints())) await Bun.sleep(100);
    expect(await run("get", "endpointslices", ...at)).toMatch(/tool-\S+ +IPv4 +8080 +10\.244\.0\.\d+ /);
    for (const kind of ["namespace", "node", "serviceaccount", "configmap", "secret", "role"]) {
      expect((await attempt(["describe", kind, ...at])).code).toBe(0);
    }
    if (scene.client !== "1.20") expect(await run("events", ...at)).toContain("Scheduled");
  });

  test("jobs complete, sets number their Pods, and every node gets its daemon", async () => {
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace];
    const selector = { matchLabels: { app: "x" } };
    const apply = (kind: string, apiVersion: string, spec: object): Promise<string> =>
      feed(
        JSON.stringify({ apiVersion, kind, metadata: { name: "it", namespace }, spec }),
        "apply",
        "-f",
        "-",
      );
    await apply("Job", "batch/v1", { completions: 2, template: template("echo done", "Never") });
    await run("wait", "--for=condition=Complete", "job/it", "--timeout=60s", ...at);
    expect(await run("get", "job", "it", ...at)).toMatch(/\nit .*2\/2 +\d+s +\d+s\n$/);
    expect(await run("logs", "job/it", ...at)).toBe("done\n");
    expect(await run("get", "pods", "-l", "job-name=it", ...at)).toMatch(/0\/1 +Completed +0/);
    await run("delete", "job", "it", ...at);
    await apply("StatefulSet", "apps/v1", {
      replicas: 2,
      serviceName: "it",
      selector,
      template: template(forever, "Always"),
    });
    await run("rollout", "status", "statefulset/it", "--timeout=60s", ...at);
    expect(await run("get", "pods", "-o", "name", ...at)).toBe("pod/it-0\npod/it-1\n");
    await run("delete", "statefulset", "it", ...at);
    await apply("DaemonSet", "apps/v1", { selector, template: template(forever, "Always") });
    await run("rollout", "status", "daemonset/it", "--timeout=60s", ...at);
    expect(await run("get", "daemonset", "it", ...at)).toMatch(/\nit +1 +1 +1 +1 +1 +<none> +\d+s\n$/);
  });

  test("a Pod that cannot start says why", async () => {
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace];
    await feed(
      pod(namespace, "keyless", forever, { envFrom: [{ secretRef: { name: "absent" } }] }),
      "apply",
      "-f",
      "-",
    );
    const status = async (name: string): Promise<string> => run("get", "pod", name, ...at);
    while (!(await status("keyless")).includes("CreateContainerConfigError")) await Bun.sleep(100);
    expect(await run("describe", "pod", "keyless", ...at)).toContain('secret "absent" not found');
    await run("run", "imageless", "--image=shop/unknown", "--restart=Never", ...at);
    while (!/ErrImagePull|ImagePullBackOff/.test(await status("imageless"))) await Bun.sleep(100);
    await feed(pod(namespace, "crasher", "exit 1"), "apply", "-f", "-");
    while (!/CrashLoopBackOff|Error/.test(await status("crasher"))) await Bun.sleep(100);
    await run("delete", "pod", "--all", ...at);
    expect(await run("get", "pods", ...at)).toBe("");
  });
});
