/** Watching and waiting with kubectl. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { describeKubectl } from "./scene.ts";

setDefaultTimeout(60_000);

describeKubectl("watching", ["mesh", "kubernetes"], (scene) => {
  const { run, attempt } = scene;

  test("get -w shows what changes, as it changes", async () => {
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace];
    await run("create", "configmap", "first", ...at);
    const watching = attempt(
      [
        "get",
        "configmap",
        "-w",
        "--request-timeout=4s",
        "--output-watch-events",
        "-l",
        "!none",
        "--field-selector",
        "metadata.name!=kube-root-ca.crt",
        ...at,
      ],
      { timeoutMs: 20_000 },
    );
    // It must have begun: what happens before is in its list, and told as added all the same.
    await run("create", "configmap", "second", ...at);
    await run("patch", "configmap", "second", "-p", '{"data":{"a":"b"}}', ...at);
    await run("delete", "configmap", "second", ...at);
    const { stdout } = await watching;
    const rows = stdout.split("\n").map((line) => line.trim().split(/\s+/).slice(0, 2).join(" "));
    expect(rows[0]).toBe("EVENT NAME");
    expect(rows).toContain("ADDED first");
    const ofSecond = rows.filter((row) => row.endsWith(" second")).map((row) => row.split(" ")[0]);
    expect(["ADDED MODIFIED DELETED", "MODIFIED DELETED", "DELETED", ""]).toContain(ofSecond.join(" "));
    expect(ofSecond.length).toBeGreaterThan(0);
  });

  test("wait ends once it is so, and tells when it is not", async () => {
    const namespace = await scene.makeNamespace();
    const at = ["-n", namespace];
    await run("create", "configmap", "brief", ...at);
    // Gone before it was looked at is as good.
    const waiting = run("wait", "--for=delete", "configmap/brief", "--timeout=30s", ...at).catch(
      (error: unknown) => expect(String(error)).toMatch(/NotFound|no matching resources/),
    );
    await run("delete", "configmap", "brief", ...at);
    await waiting;
    await run("create", "configmap", "lasting", ...at);
    const late = await attempt(["wait", "--for=delete", "configmap/lasting", "--timeout=1s", ...at]);
    expect(late).toMatchObject({ code: 1, stdout: "" });
    expect(late.stderr).toContain("timed out waiting for the condition on configmaps/lasting");
  });
});
