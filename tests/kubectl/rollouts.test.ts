/** Rollouts with kubectl: history, undo, pause, restart, scale. Without Pods, so that Kubernetes' own controllers can be asked the same without a node. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { waitUntil } from "../support/wait-until.ts";
import { describeKubectl } from "./scene.ts";

setDefaultTimeout(60_000);

const manifest = (kind: string, namespace: string): string => `
apiVersion: apps/v1
kind: ${kind}
metadata: { name: web, namespace: ${namespace} }
spec:
  ${kind === "DaemonSet" ? "" : "replicas: 0"}
  ${kind === "StatefulSet" ? "serviceName: web" : ""}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      nodeSelector: { nowhere: "true" }
      containers: [{ name: c, image: "x:1" }]
`;

describeKubectl("rollouts", ["mesh", "kubernetes"], (scene) => {
  const { run, feed, attempt } = scene;

  test("a Deployment's templates are numbered, and one that comes back is the newest", async () => {
    const at = ["-n", await scene.makeNamespace()] as const;
    await feed(manifest("Deployment", at[1]), "create", "-f", "-");
    expect(await run("rollout", "status", "deploy/web", "--timeout=30s", ...at)).toContain(
      'deployment "web" successfully rolled out',
    );
    await run("set", "image", "deploy/web", "c=x:2", ...at);
    await run("rollout", "status", "deploy/web", "--timeout=30s", ...at);
    expect(await run("rollout", "history", "deploy/web", ...at)).toMatch(
      /^deployment.apps\/web \nREVISION +CHANGE-CAUSE\n1 +<none>\n2 +<none>\n/,
    );
    expect(await run("rollout", "history", "deploy/web", "--revision=1", ...at)).toContain("Image:\tx:1");
    expect(await run("rollout", "undo", "deploy/web", ...at)).toBe("deployment.apps/web rolled back\n");
    await run("rollout", "status", "deploy/web", "--timeout=30s", ...at);
    expect(
      await run("get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}", ...at),
    ).toBe("x:1");
    await waitUntil("the revisions are numbered anew", async () =>
      /\n2 +<none>\n3 +<none>\n/.test(await run("rollout", "history", "deploy/web", ...at)),
    );
    expect((await attempt(["rollout", "undo", "deploy/web", "--to-revision=9", ...at])).code).toBe(1);
  });

  test("a paused Deployment does not roll out until it is resumed", async () => {
    const at = ["-n", await scene.makeNamespace()] as const;
    await feed(manifest("Deployment", at[1]), "create", "-f", "-");
    await run("rollout", "status", "deploy/web", "--timeout=30s", ...at);
    expect(await run("rollout", "pause", "deploy/web", ...at)).toBe("deployment.apps/web paused\n");
    await run("set", "image", "deploy/web", "c=x:2", ...at);
    const reason = 'jsonpath={.status.conditions[?(@.type=="Progressing")].reason}';
    await waitUntil(
      "it says so",
      async () => (await run("get", "deploy", "web", "-o", reason, ...at)) === "DeploymentPaused",
    );
    expect((await run("get", "rs", "-o", "name", ...at)).trim().split("\n")).toHaveLength(1);
    expect((await attempt(["rollout", "restart", "deploy/web", ...at])).stderr).toContain(
      "restart paused deployment",
    );
    await run("rollout", "resume", "deploy/web", ...at);
    await run("rollout", "status", "deploy/web", "--timeout=30s", ...at);
    expect((await run("get", "rs", "-o", "name", ...at)).trim().split("\n")).toHaveLength(2);
    await run("wait", "--for=condition=Available", "deploy/web", "--timeout=10s", ...at);
    await run("rollout", "restart", "deploy/web", ...at);
    await run("rollout", "status", "deploy/web", "--timeout=30s", ...at);
    expect((await run("get", "rs", "-o", "name", ...at)).trim().split("\n")).toHaveLength(3);
  });

  test.each(["StatefulSet", "DaemonSet"])("a %s keeps its history too", async (kind) => {
    const at = ["-n", await scene.makeNamespace()] as const;
    const name = `${kind.toLowerCase()}/web`;
    await feed(manifest(kind, at[1]), "create", "-f", "-");
    await waitUntil(
      "it is seen",
      async () => (await run("get", name, "-o", "jsonpath={.status.observedGeneration}", ...at)) === "1",
    );
    await run("set", "image", name, "c=x:2", ...at);
    await waitUntil("both templates are kept", async () =>
      /\n1 +<none>\n2 +<none>\n/.test(await run("rollout", "history", name, ...at)),
    );
    expect(await run("rollout", "undo", name, ...at)).toBe(`${kind.toLowerCase()}.apps/web rolled back\n`);
    await waitUntil("the first is the newest", async () =>
      /\n2 +<none>\n3 +<none>\n/.test(await run("rollout", "history", name, ...at)),
    );
    expect(await run("get", name, "-o", "jsonpath={.spec.template.spec.containers[0].image}", ...at)).toBe(
      "x:1",
    );
  });

  test("a suspended Job says so, and a Service without Pods has one empty slice", async () => {
    const at = ["-n", await scene.makeNamespace()] as const;
    const job = `
apiVersion: batch/v1
kind: Job
metadata: { name: later, namespace: ${at[1]} }
spec: { suspend: true, template: { spec: { restartPolicy: Never, containers: [{ name: c, image: x }] } } }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: ${at[1]} }
spec: { selector: { app: web }, ports: [{ port: 80 }] }
`;
    await feed(job, "create", "-f", "-");
    await run("wait", "--for=condition=Suspended", "job/later", "--timeout=20s", ...at);
    const slices = await waitUntil("it has a slice", async () => {
      const text = await run(
        "get",
        "endpointslices",
        "-l",
        "kubernetes.io/service-name=web",
        "--no-headers",
        ...at,
      );
      return text === "" ? undefined : text;
    });
    expect(slices).toMatch(/^web-[a-z0-9]{5} +IPv4 +<unset> +<unset> +\d+s\n$/);
  });
});
