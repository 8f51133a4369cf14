/** Asking what there is: resources, versions, explanations, permissions. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { describeKubectl } from "./scene.ts";

setDefaultTimeout(60_000);

describeKubectl("discovery", ["mesh", "kubernetes"], (scene) => {
  const { run, attempt } = scene;

  test("api-resources and api-versions", async () => {
    const all = (await run("api-resources", "--no-headers", "-o", "wide")).split("\n");
    const row = (name: string, kind: string): string[] =>
      all
        .map((line) => line.trim().split(/\s+/))
        .find((words) => words[0] === name && words.includes(kind)) ?? [];
    expect(row("pods", "Pod")).toEqual(expect.arrayContaining(["pods", "po", "true", "Pod"]));
    expect(row("deployments", "Deployment")).toEqual(
      expect.arrayContaining(["deploy", "true", "Deployment"]),
    );
    expect(row("nodes", "Node")).toEqual(expect.arrayContaining(["no", "false", "Node"]));
    expect(row("customresourcedefinitions", "CustomResourceDefinition")).toContain("false");
    const names = (await run("api-resources", "--namespaced=true", "--api-group=apps", "-o", "name")).split(
      "\n",
    );
    expect(names).toEqual(expect.arrayContaining(["deployments.apps", "statefulsets.apps"]));
    const versions = (await run("api-versions")).split("\n");
    expect(versions).toEqual(
      expect.arrayContaining(["v1", "apps/v1", "batch/v1", "rbac.authorization.k8s.io/v1"]),
    );
  });

  test("version and cluster-info", async () => {
    const version = JSON.parse(await run("version", "-o", "json")) as {
      serverVersion: { gitVersion: string };
    };
    expect(version.serverVersion.gitVersion).toMatch(/^v1\.\d+\.\d+/);
    expect(await run("cluster-info")).toMatch(/is running at/);
    expect(await run("get", "--raw", "/readyz")).toBe("ok");
  });

  test("explain", async () => {
    const pod = await run("explain", "pod");
    expect(pod).toMatch(/^KIND: +Pod\nVERSION: +v1\n/);
    expect(pod).toMatch(/\n +spec\t<(Object|PodSpec)>/);
    const containers = await run("explain", "pod.spec.containers");
    expect(containers).toMatch(
      /FIELDS?: +containers <\[\](Object|Container)>|RESOURCE: containers <\[\]Object>/,
    );
    expect(containers).toMatch(/\n +image\t<string>/);
    expect(await run("explain", "deployment.spec.replicas")).toContain("replicas <integer>");
    const recursive = await run("explain", "service", "--recursive");
    expect(recursive).toContain("targetPort");
    const wrong = await attempt(["explain", "pod.spec.nonsense"]);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain('field "nonsense" does not exist');
  });

  test("auth can-i", async () => {
    expect(await run("auth", "can-i", "create", "pods")).toBe("yes\n");
    const as = ["--as", "system:serviceaccount:default:default", "-n", "default"];
    const refused = await attempt(["auth", "can-i", "delete", "secrets", ...as]);
    expect(refused).toMatchObject({ code: 1, stdout: expect.stringMatching(/^no\b/) as unknown });
    const secrets = await attempt(["get", "secrets", ...as]);
    expect(secrets.code).toBe(1);
    expect(secrets.stderr).toBe(
      'Error from server (Forbidden): secrets is forbidden: User "system:serviceaccount:default:default" cannot list resource "secrets" in API group "" in the namespace "default"\n',
    );
    expect(await run("auth", "can-i", "--list")).toContain("*.*");
  });

  test("a role lets in whom it is bound to, and no further", async () => {
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace];
    await run("create", "serviceaccount", "robot", ...at);
    await run("create", "role", "reader", "--verb=get,list", "--resource=configmaps", ...at);
    await run("create", "rolebinding", "read", "--role=reader", `--serviceaccount=${namespace}:robot`, ...at);
    const as = ["--as", `system:serviceaccount:${namespace}:robot`, ...at];
    await run("get", "configmaps", ...as);
    expect((await attempt(["create", "configmap", "c", ...as])).stderr).toContain(
      'cannot create resource "configmaps"',
    );
    expect((await attempt(["get", "secrets", ...as])).stderr).toContain("is forbidden");
    expect((await attempt(["get", "configmaps", ...as.slice(0, 2), "-n", "default"])).stderr).toContain(
      "is forbidden",
    );
  });

  if (scene.client !== "1.20") {
    test("auth whoami and create token", async () => {
      const me = await run("auth", "whoami", "-o", "json");
      expect(me).toContain("system:masters");
      const namespace = await scene.makeNamespace();
      await run("create", "serviceaccount", "robot", "-n", namespace);
      const token = (await run("create", "token", "robot", "-n", namespace)).trim();
      const claims = JSON.parse(
        atob((token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/")),
      ) as {
        sub: string;
      };
      expect(claims.sub).toBe(`system:serviceaccount:${namespace}:robot`);
      const as = await run("auth", "whoami", "-o", "json", "--token", token);
      expect(as).toContain(`system:serviceaccount:${namespace}:robot`);
    });
  }
});
