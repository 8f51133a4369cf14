/** Writing and reading objects with kubectl: the same words, the same exit codes, the same objects on both servers. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { describeKubectl } from "./scene.ts";

setDefaultTimeout(60_000);

const settings = (namespace: string, color: string): string => `
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: ${namespace}, labels: { app: shop } }
data: { color: ${color}, size: "9" }
`;

describeKubectl("objects", ["mesh", "kubernetes"], (scene) => {
  const { run, feed, attempt } = scene;

  test("create, get in each form, delete", async () => {
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace];
    expect(await feed(settings(namespace, "red"), "create", "-f", "-")).toBe("configmap/settings created\n");
    const twice = await attempt(["create", "-f", "-"], { input: settings(namespace, "red") });
    expect(twice).toMatchObject({ code: 1, stdout: "" });
    expect(twice.stderr).toContain(
      'Error from server (AlreadyExists): error when creating "STDIN": configmaps "settings" already exists',
    );

    expect(await run("get", "cm", "settings", ...at)).toMatch(/^NAME +DATA +AGE\nsettings +2 +\d+s\n$/);
    expect(await run("get", "cm", "settings", "-o", "wide", "--show-labels", ...at)).toMatch(
      /^NAME +DATA +AGE +LABELS\nsettings +2 +\d+s +app=shop\n$/,
    );
    expect(await run("get", "cm", "settings", "-o", "name", ...at)).toBe("configmap/settings\n");
    expect(await run("get", "cm", "settings", "-o", "jsonpath={.data.color}", ...at)).toBe("red");
    expect(
      await run("get", "cm", "settings", "-o", "custom-columns=N:.metadata.name,C:.data.color", ...at),
    ).toMatch(/^N +C\nsettings +red\n$/);
    expect(await run("get", "cm", "settings", "-o", "yaml", ...at)).toMatch(
      /^apiVersion: v1\ndata:\n {2}color: red\n/,
    );
    const json = JSON.parse(await run("get", "cm", "-l", "app=shop", "-o", "json", ...at)) as {
      items: { metadata: { name: string } }[];
    };
    expect(json.items.map(({ metadata }) => metadata.name)).toEqual(["settings"]);
    expect(await run("get", "cm", "-l", "app!=shop,app", ...at)).toBe("");
    expect(await run("get", "cm", "--field-selector", "metadata.name=settings", "-o", "name", ...at)).toBe(
      "configmap/settings\n",
    );
    const missing = await attempt(["get", "cm", "absent", ...at]);
    expect(missing).toMatchObject({
      code: 1,
      stderr: 'Error from server (NotFound): configmaps "absent" not found\n',
    });
    const unknown = await attempt(["get", "gizmos", ...at]);
    expect(unknown).toMatchObject({
      code: 1,
      stderr: 'error: the server doesn\'t have a resource type "gizmos"\n',
    });
    expect(await run("delete", "cm", "settings", ...at)).toMatch(/^configmap "settings" deleted/);
    expect(await run("delete", "cm", "settings", "--ignore-not-found", ...at)).toBe("");
  });

  test("apply, diff and apply again", async () => {
    const namespace = await scene.makeNamespace();
    expect(await feed(settings(namespace, "red"), "apply", "-f", "-")).toBe("configmap/settings created\n");
    expect(await feed(settings(namespace, "red"), "apply", "-f", "-")).toBe("configmap/settings unchanged\n");
    const differs = await attempt(["diff", "-f", "-"], { input: settings(namespace, "blue") });
    expect(differs.code).toBe(1);
    expect(differs.stdout).toContain("-  color: red\n+  color: blue\n");
    expect(await feed(settings(namespace, "blue"), "apply", "--dry-run=server", "-f", "-")).toBe(
      "configmap/settings configured (server dry run)\n",
    );
    expect(await run("get", "cm", "settings", "-n", namespace, "-o", "jsonpath={.data.color}")).toBe("red");
    expect(await feed(settings(namespace, "blue"), "apply", "-f", "-")).toBe(
      "configmap/settings configured\n",
    );
    expect((await attempt(["diff", "-f", "-"], { input: settings(namespace, "blue") })).code).toBe(0);
    const less = settings(namespace, "blue").replace(', size: "9"', "");
    await feed(less, "apply", "-f", "-");
    expect(JSON.parse(await run("get", "cm", "settings", "-n", namespace, "-o", "jsonpath={.data}"))).toEqual(
      {
        color: "blue",
      },
    );
  });

  test("server-side apply owns fields and tells of conflicts", async () => {
    const namespace = await scene.makeNamespace();
    const applied = "serverside-applied";
    const asOne = ["apply", "--server-side", "--field-manager", "one", "-f", "-"];
    const asTwo = ["apply", "--server-side", "--field-manager", "two", "-f", "-"];
    expect(await feed(settings(namespace, "red"), ...asOne)).toBe(`configmap/settings ${applied}\n`);
    const conflict = await attempt(asTwo, { input: settings(namespace, "blue") });
    expect(conflict.code).toBe(1);
    expect(conflict.stderr).toContain('conflict with "one": .data.color');
    expect(await feed(settings(namespace, "blue"), ...asTwo, "--force-conflicts")).toBe(
      `configmap/settings ${applied}\n`,
    );
    const fields = JSON.parse(
      await run("get", "cm", "settings", "-n", namespace, "-o", "jsonpath={.metadata.managedFields}"),
    ) as { manager: string; operation: string; fieldsV1: unknown }[];
    expect(fields.map(({ manager, operation }) => [manager, operation])).toEqual([
      ["one", "Apply"],
      ["two", "Apply"],
    ]);
    expect(fields[0]?.fieldsV1).toEqual({
      "f:data": { "f:size": {} },
      "f:metadata": { "f:labels": { "f:app": {} } },
    });
  });

  test("label, annotate, patch in three ways, replace, edit", async () => {
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace];
    await feed(settings(namespace, "red"), "create", "-f", "-");
    expect(await run("label", "cm", "settings", "tier=front", ...at)).toBe("configmap/settings labeled\n");
    const taken = await attempt(["label", "cm", "settings", "tier=back", ...at]);
    expect(taken.code).toBe(1);
    expect(taken.stderr).toContain("'tier' already has a value (front), and --overwrite is false");
    await run("label", "cm", "settings", "tier=back", "--overwrite", ...at);
    await run("label", "cm", "settings", "app-", ...at);
    expect(await run("annotate", "cm", "settings", "note=hello", ...at)).toMatch(
      /^configmap\/settings annotated?\n$/,
    );
    expect(await run("patch", "cm", "settings", "-p", '{"data":{"color":"green"}}', ...at)).toBe(
      "configmap/settings patched\n",
    );
    await run("patch", "cm", "settings", "--type", "merge", "-p", '{"data":{"size":null}}', ...at);
    await run(
      "patch",
      "cm",
      "settings",
      "--type",
      "json",
      "-p",
      '[{"op":"add","path":"/data/depth","value":"3"}]',
      ...at,
    );
    const fails = await attempt([
      "patch",
      "cm",
      "settings",
      "--type",
      "json",
      "-p",
      '[{"op":"test","path":"/data/depth","value":"4"}]',
      ...at,
    ]);
    expect(fails.code).toBe(1);
    const now = JSON.parse(await run("get", "cm", "settings", "-o", "json", ...at)) as {
      data: unknown;
      metadata: { labels: unknown; annotations: unknown };
    };
    expect(now).toMatchObject({
      data: { color: "green", depth: "3" },
      metadata: { labels: { tier: "back" }, annotations: { note: "hello" } },
    });
    expect(await feed(settings(namespace, "white"), "replace", "-f", "-")).toBe(
      "configmap/settings replaced\n",
    );
    const editor = scene.writeFile("editor.sh", `#!/bin/sh\nsed -i 's/color: white/color: black/' "$1"\n`);
    const edited = await attempt(["edit", "cm", "settings", ...at], { env: { KUBE_EDITOR: `sh ${editor}` } });
    expect(edited).toMatchObject({ code: 0, stdout: "configmap/settings edited\n" });
    expect(await run("get", "cm", "settings", "-o", "jsonpath={.data.color}", ...at)).toBe("black");
    const untouched = await attempt(["edit", "cm", "settings", ...at], { env: { KUBE_EDITOR: "true" } });
    expect(untouched.stderr + untouched.stdout).toContain("Edit cancelled, no changes made");
  });

  test("an old version is refused with a conflict", async () => {
    const namespace = await scene.makeNamespace();
    await feed(settings(namespace, "red"), "create", "-f", "-");
    const old = await run("get", "cm", "settings", "-n", namespace, "-o", "json");
    await run("label", "cm", "settings", "a=b", "-n", namespace);
    const { code, stderr } = await attempt(["replace", "-f", "-"], { input: old });
    expect(code).toBe(1);
    expect(stderr).toContain(
      'Operation cannot be fulfilled on configmaps "settings": the object has been modified; please apply your changes to the latest version and try again',
    );
  });

  test("create's short forms", async () => {
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace];
    expect(await run("create", "configmap", "c", "--from-literal=a=1", "--from-literal=b=2", ...at)).toBe(
      "configmap/c created\n",
    );
    expect(await run("create", "secret", "generic", "s", "--from-literal=password=top", ...at)).toBe(
      "secret/s created\n",
    );
    expect(await run("get", "secret", "s", ...at)).toMatch(/^NAME +TYPE +DATA +AGE\ns +Opaque +1 +\d+s\n$/);
    expect(await run("get", "secret", "s", "-o", "jsonpath={.data.password}", ...at)).toBe(btoa("top"));
    expect(await run("create", "serviceaccount", "robot", ...at)).toBe("serviceaccount/robot created\n");
    expect(await run("create", "service", "clusterip", "web", "--tcp=80:8080", ...at)).toBe(
      "service/web created\n",
    );
    expect(await run("get", "svc", "web", "-o", "wide", ...at)).toMatch(
      /^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE +SELECTOR\nweb +ClusterIP +10\.96\.\d+\.\d+ +<none> +80\/TCP +\d+s +app=web\n$/,
    );
    expect(await run("create", "deployment", "web", "--image=shop/web", ...at)).toBe(
      "deployment.apps/web created\n",
    );
    expect(await run("create", "job", "once", "--image=shop/once", ...at)).toBe("job.batch/once created\n");
    expect(await run("create", "role", "reader", "--verb=get,list", "--resource=pods", ...at)).toBe(
      "role.rbac.authorization.k8s.io/reader created\n",
    );
    expect(
      await run(
        "create",
        "rolebinding",
        "read",
        "--role=reader",
        `--serviceaccount=${namespace}:robot`,
        ...at,
      ),
    ).toBe("rolebinding.rbac.authorization.k8s.io/read created\n");
    expect(
      await run(
        "create",
        "configmap",
        "dry",
        "--from-literal=a=1",
        "--dry-run=client",
        "-o",
        "jsonpath={.data.a}",
        ...at,
      ),
    ).toBe("1");
    expect((await run("get", "configmaps,secrets,services", "-o", "name", ...at)).split("\n")).toEqual(
      expect.arrayContaining(["configmap/c", "secret/s", "service/web"]),
    );
  });

  test("deletion by label, of all, and of a namespace with everything in it", async () => {
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace];
    for (const [name, tier] of [
      ["a", "x"],
      ["b", "x"],
      ["c", "y"],
    ] as const) {
      await run("create", "configmap", name, ...at);
      await run("label", "configmap", name, `tier=${tier}`, ...at);
    }
    const gone = await run("delete", "configmap", "-l", "tier=x", ...at);
    expect(gone.split("\n").filter((line) => line.includes("deleted"))).toHaveLength(2);
    expect(await run("get", "configmap", "-l", "tier", "-o", "name", ...at)).toBe("configmap/c\n");
    await run("delete", "configmap", "--all", ...at);
    await run("create", "secret", "generic", "s", ...at);
    expect(await run("delete", "namespace", namespace)).toContain(`namespace "${namespace}" deleted`);
    expect((await attempt(["get", "namespace", namespace])).stderr).toContain("NotFound");
  });

  test("owners take their dependents along, or leave them", async () => {
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace];
    const family = async (owner: string): Promise<void> => {
      await run("create", "configmap", owner, ...at);
      const uid = await run("get", "cm", owner, "-o", "jsonpath={.metadata.uid}", ...at);
      const child = {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: {
          name: `${owner}-child`,
          namespace,
          ownerReferences: [
            { apiVersion: "v1", kind: "ConfigMap", name: owner, uid, blockOwnerDeletion: true },
          ],
        },
      };
      await feed(JSON.stringify(child), "create", "-f", "-");
    };
    await family("back");
    await run("delete", "cm", "back", "--cascade=background", ...at);
    await run("wait", "--for=delete", "cm/back-child", "--timeout=30s", ...at).catch((error: unknown) => {
      // Gone before it could be waited for.
      if (!/NotFound|no matching resources/.test(String(error))) throw error;
    });
    await family("front");
    await run("delete", "cm", "front", "--cascade=foreground", ...at);
    expect((await attempt(["get", "cm", "front-child", ...at])).code).toBe(1);
    await family("left");
    await run("delete", "cm", "left", "--cascade=orphan", ...at);
    expect(await run("get", "cm", "left-child", "-o", "jsonpath={.metadata.ownerReferences}", ...at)).toBe(
      "",
    );
  });
});
