import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { type RunResult } from "../support/test-host.ts";
import { waitUntil } from "../support/wait-until.ts";

setDefaultTimeout(60_000);

let mesh: Mesh;
beforeAll(async () => {
  mesh = await startMesh();
  await mesh.deployFunctions("first", {
    echo: { source: echo, revision: "v1" },
    victim: { source: echo, revision: "v1" },
    sleepy: { source: `export default { fetch: () => new Response("x") };` },
  });
}, 60_000);
afterAll(async () => {
  await mesh.command(["down"]);
  await mesh.up.wait();
  await mesh.host.close();
});

const echo = `export default {
  async fetch(request) {
    const { pathname, search } = new URL(request.url);
    console.log("asked for", pathname);
    if (pathname === "/bad") return new Response("bad\\n", { status: 418 });
    return Response.json({ method: request.method, path: pathname + search, word: request.headers.get("x-word"), body: await request.text() });
  },
};`;

/** A folder with a manifest and files. */
function project(manifest: unknown, files: Readonly<Record<string, string>> = {}): string {
  const folder = join(mesh.host.dir, `project-${crypto.randomUUID()}`);
  mkdirSync(folder);
  const text = typeof manifest === "string" ? manifest : JSON.stringify(manifest);
  writeFileSync(join(folder, "lambient.jsonc"), text);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

function refused({ code, stderr }: RunResult, wantedCode: number): string {
  expect(code).toBe(wantedCode);
  expect(stderr).toStartWith("error: ");
  return stderr;
}

test("invoke sends what it is told and prints the answer", async () => {
  const args = ["echo.first", "--path", "/a?b=c", "-X", "PUT", "-d", "data", "-H", "x-word: hello"];
  const plain = await mesh.command(["invoke", ...args]);
  expect(JSON.parse(plain.stdout)).toEqual({ method: "PUT", path: "/a?b=c", word: "hello", body: "data" });
  expect(plain.stderr).toMatch(/^200 OK, [\d.]+ ms, served by a \w+ instance, trace [0-9a-f]{32}\n$/);
  const json = JSON.parse(
    (await mesh.command(["invoke", "echo", "-n", "first", "-o", "json"])).stdout,
  ) as Record<string, unknown>;
  expect(json).toMatchObject({ status: 200, headers: { "content-type": "application/json;charset=utf-8" } });
  const folder = project("{}", { "body.txt": "from a file" });
  const sent = await mesh.command(["invoke", "echo.first", "-d", "@body.txt"], { cwd: folder });
  expect(JSON.parse(sent.stdout)).toMatchObject({ method: "POST", body: "from a file" });
  const bad = await mesh.command(["invoke", "echo.first", "--path", "/bad"]);
  expect(bad).toMatchObject({ code: 1, stdout: "bad\n" });
});

test("invoke --trace shows the chain of that very call", async () => {
  const { code, stdout } = await mesh.command(["invoke", "echo.first", "--trace"]);
  expect(code).toBe(0);
  const hops = stdout.split("\n").map((line) => line.trim().split(/\s+/).slice(0, 2).join(" "));
  expect(hops).toEqual(expect.arrayContaining(["edge GET", "waypoint GET", "function GET"]));
  const [, traceId = ""] = /Trace ([0-9a-f]{32})/.exec(stdout) ?? [];
  const told = await mesh.json<{ readonly hops: { readonly service: string; readonly kind: string }[] }>(
    "trace",
    traceId,
  );
  expect(told.hops.filter(({ kind }) => kind === "span").map(({ service }) => service)).toEqual([
    "edge",
    "waypoint",
    "function",
  ]);
  expect((await mesh.command(["trace"])).stdout).toContain(traceId);
});

test("list shows functions, revisions, namespaces and instances", async () => {
  await mesh.call("echo.first");
  const functions = await waitUntil("the control plane knows the instance", async () => {
    const { stdout } = await mesh.command(["list", "-n", "first"]);
    return /first +echo +True +v1 +v1=100% +1/.test(stdout) ? stdout : undefined;
  });
  expect(functions).toMatch(/first +sleepy +True/);
  expect((await mesh.command(["list", "revisions"])).stdout).toMatch(/first +echo-v1 +echo +True +sha256:/);
  expect((await mesh.command(["list", "namespaces"])).stdout).toMatch(/first +Active/);
  expect((await mesh.command(["list", "instances", "-n", "first"])).stdout).toMatch(/first +echo +echo-v1/);
  const yaml = await mesh.command(["list", "-o", "yaml"]);
  expect(yaml.stdout).toContain("kind: Function");
});

test("logs shows what instances wrote, and follows", async () => {
  await mesh.call("echo.first", { path: "/logged" });
  await waitUntil("the line is there", async () =>
    (await mesh.command(["logs", "echo.first"])).stdout.includes("asked for /logged"),
  );
  const follow = await mesh.host.spawn(
    [
      process.execPath,
      join(import.meta.dir, "../../runtime/cli/main.ts"),
      "logs",
      "echo.first",
      "-f",
      "--tail",
      "1",
    ],
    {
      env: { LAMBIENT_RUN_DIR: mesh.runDir, NO_COLOR: "1" },
    },
  );
  await waitUntil("it follows", async () => (await follow.output()).stdout.includes("asked for"));
  await mesh.call("echo.first", { path: "/later" });
  await waitUntil("the later line comes", async () =>
    (await follow.output()).stdout.includes("asked for /later"),
  );
  await follow.signal("SIGTERM");
  await follow.wait();
  const since = await mesh.json<{ readonly text: string; readonly stream: string }[]>(
    "logs",
    "echo.first",
    "--since",
    "1h",
    "--tail",
    "1",
  );
  expect(since).toEqual([expect.objectContaining({ text: "asked for /later", stream: "stdout" })]);
}, 30_000);

test("delete removes a function, and then its namespace with all that is in it", async () => {
  await mesh.deployFunctions("gone", { a: { source: echo }, b: { source: echo } });
  expect((await mesh.call("a.gone")).status).toBe(200);
  expect(await mesh.command(["delete", "function", "a.gone"])).toMatchObject({
    code: 0,
    stderr: 'Deleted the function "a.gone"\n',
  });
  await waitUntil("the edge has forgotten it", async () => (await mesh.call("a.gone")).status === 404);
  expect((await mesh.call("b.gone")).status).toBe(200);
  const emptied = await mesh.command(["delete", "namespace", "gone", "-o", "json"]);
  expect(JSON.parse(emptied.stdout)).toEqual({
    apiVersion: "v1",
    kind: "Namespace",
    path: "/api/v1/namespaces/gone",
    gone: true,
  });
  expect((await mesh.command(["list", "namespaces"])).stdout).not.toContain("gone");
  await waitUntil("its instances have ended", async () =>
    (await mesh.instances()).every(({ namespace }) => namespace !== "gone"),
  );
}, 60_000);

test("a wrong field is named with its place and the likely one, and nothing is changed", async () => {
  const folder = project(
    '{\n  "namespace": "first",\n  "functions": { "echo": { "main": "e.ts", "scal": {} } }\n}',
    { "e.ts": echo },
  );
  const said = refused(await mesh.command(["deploy", folder]), 2);
  expect(said).toBe(
    `error: ${folder}/lambient.jsonc:3:44: functions.echo.scal: unknown field (did you mean "scale"?)\n`,
  );
});

test("a handler that does not parse is refused before anything is changed", async () => {
  const manifest = { namespace: "first", functions: { victim: { main: "e.ts", revision: "v9" } } };
  const said = refused(
    await mesh.command(["deploy", project(manifest, { "e.ts": "export default { fetch(" })]),
    2,
  );
  expect(said).toContain('Cannot bundle the function "victim" from ');
  expect(said).toContain("Expected identifier but found end of file");
  expect((await mesh.call("victim.first")).status).toBe(200);
  expect((await mesh.command(["list", "revisions"])).stdout).not.toContain("victim-v9");
});

test.each([
  ["exports no fetch", "export default { hello: 1 };", "fetch handler"],
  ["exports nothing", "export const a = 1;", "fetch handler"],
  ["throws when it is loaded", "throw new Error('no luck today');", "no luck today"],
])(
  "a handler that %s is refused, and the last good revision keeps serving",
  async (name, source, words) => {
    const revision = `bad-${name.replaceAll(/\W/g, "-")}`;
    const manifest = { namespace: "first", functions: { victim: { main: "e.ts", revision } } };
    const result = await mesh.command(["deploy", project(manifest, { "e.ts": source })]);
    // What is not there cannot be called.
    expect(result.stdout).not.toContain("Call one");
    const said = refused(result, 1);
    expect(said).toContain('Cannot release the function "victim" in namespace "first"');
    expect(said).toContain(words);
    expect(said).toContain('revision "v1" keeps serving');
    expect((await mesh.call("victim.first")).status).toBe(200);
  },
  30_000,
);

test("a revision's content cannot change under its name", async () => {
  const manifest = { namespace: "first", functions: { victim: { main: "e.ts", revision: "v1" } } };
  const said = refused(
    await mesh.command(["deploy", project(manifest, { "e.ts": `${echo}\nconsole.log("other");` })]),
    1,
  );
  expect(said).toContain('Cannot release the function "victim" in namespace "first"');
  expect(said).toContain("v1");
  // The same again is no change at all.
  await mesh.deployFunctions("first", { victim: { source: echo, revision: "v1" } });
}, 30_000);

test.each([
  [
    "an unknown kind",
    "apiVersion: security.istio.io/v1\nkind: AuthorisationPolicy\nmetadata: { name: p }\n",
    'no AuthorisationPolicy in security.istio.io/v1 (did you mean "AuthorizationPolicy"?)',
  ],
  [
    "an unknown API",
    "apiVersion: nope.io/v1\nkind: A\nmetadata: { name: p }\n",
    "the mesh serves no API nope.io/v1",
  ],
  ["no YAML", "a: [", "objects.yaml:"],
  [
    "an action that there is not",
    "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: p }\nspec: { action: MAYBE }\n",
    "spec.action",
  ],
])("an object file with %s is refused by name", async (_, yaml, words) => {
  const folder = project(
    { namespace: "first", functions: {}, manifests: ["objects.yaml"] },
    { "objects.yaml": yaml },
  );
  const { code, stderr } = await mesh.command(["deploy", folder]);
  expect(code).toBeGreaterThan(0);
  expect(stderr).toContain(words);
});

test.each([
  [
    ["invoke", "ehco.first"],
    'Cannot find the function "ehco" in namespace "first": it has echo, sleepy, victim (did you mean "echo"?)',
  ],
  [["invoke", "echo.nowhere"], 'Cannot find the namespace "nowhere": there are '],
  [["logs", "nobody.first"], 'Cannot find the function "nobody" in namespace "first"'],
  [["list", "-n", "nowhere"], 'Cannot find the namespace "nowhere"'],
  [["delete", "function", "nobody.first"], 'Cannot find the function "nobody" in namespace "first"'],
  [["delete", "namespace", "nowhere"], 'Cannot find the namespace "nowhere"'],
  [["trace", "0123456789abcdef0123456789abcdef"], "Cannot find trace 0123456789abcdef0123456789abcdef"],
])("%p names what is not there", async (args, words) => {
  expect(refused(await mesh.command(args), 1)).toContain(words);
});

test.each([
  [["delete", "functoin", "x"], 'Cannot delete a "functoin": known are function, '],
  [["trace", "xyz"], 'Cannot read "xyz" as a trace id'],
  [["invoke", "a.b.c"], 'Cannot read "a.b.c" as a function'],
  [["invoke", "echo.first", "--path", "x"], 'Cannot call the path "x": it must begin with /'],
  [["invoke", "echo.first", "-H", "x"], 'Cannot read "x" as a header'],
  [["invoke", "echo.first", "-d", "@nowhere"], 'Cannot send the file "nowhere": '],
  [["logs", "echo.first", "--since", "soon"], 'Cannot read "soon" as a duration'],
  [["deploy", "/nowhere"], "Cannot read /nowhere: "],
])("%p is told how to write it", async (args, words) => {
  expect(refused(await mesh.command(args), 2)).toContain(words);
});

test("without a mesh every command says how to start one", async () => {
  for (const args of [["status"], ["down"], ["list"], ["invoke", "a.b"]]) {
    const result = await mesh.command(args, { env: { LAMBIENT_RUN_DIR: "/nowhere" } });
    expect(refused(result, 1)).toContain(
      'Cannot reach a mesh at /nowhere: none runs there; start it with "lambient up"',
    );
  }
});

test("a second mesh in the background is refused with the same words as in the foreground", async () => {
  const flags = ["--data-dir", join(mesh.host.dir, "other-data")];
  const [ahead, behind] = [
    await mesh.command(["up", ...flags]),
    await mesh.command(["up", "--detach", ...flags]),
  ];
  expect(refused(ahead, 1)).toContain("runs it already");
  expect(behind).toEqual(ahead);
});

test("a user without rights is told so", async () => {
  const bun = process.execPath;
  const main = join(import.meta.dir, "../../runtime/cli/main.ts");
  const asNobody = (...args: string[]): Promise<RunResult> =>
    mesh.host.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", bun, main, ...args], {
      cwd: "/",
      env: { LAMBIENT_RUN_DIR: mesh.runDir },
    });
  expect(refused(await asNobody("up", "--run-dir", "/tmp/nobody-run"), 2)).toContain(
    "as user 65534: root is needed",
  );
  const list = await asNobody("list");
  expect(list.code).toBe(1);
  expect(list.stderr).toContain("run the command with sudo");
});

test("label sets, keeps, changes and removes labels, as kubectl label does", async () => {
  const labels = async (): Promise<unknown> =>
    (JSON.parse((await mesh.apiFetch("/api/v1/namespaces/first")).body) as { metadata: { labels: unknown } })
      .metadata.labels;
  const set = await mesh.command(["label", "namespace", "first", "team=web", "tier=front"]);
  expect(set).toMatchObject({ code: 0, stdout: "", stderr: 'Namespace "first" labelled\n' });
  expect(await labels()).toMatchObject({ team: "web", tier: "front" });
  const again = await mesh.command(["label", "namespace", "first", "team=web"]);
  expect(again).toMatchObject({ code: 0, stderr: 'Namespace "first" has these labels already\n' });
  const taken = refused(await mesh.command(["label", "namespace", "first", "team=shop"]), 1);
  expect(taken).toContain('it has the value "web"; --overwrite changes it');
  const changed = await mesh.json("label", "namespace", "first", "team=shop", "tier-", "--overwrite");
  expect(changed).toMatchObject({ kind: "Namespace", metadata: { name: "first" } });
  expect(await labels()).toMatchObject({ team: "shop" });
  expect(await labels()).not.toHaveProperty("tier");
  expect(refused(await mesh.command(["label", "pod", "absent", "a=b"]), 1)).toContain("there is none");
  expect(refused(await mesh.command(["label", "gizmo", "x", "a=b"]), 2)).toContain("known are function");
});

test("kubeconfig tells where kubectl finds the mesh", async () => {
  const { code, stdout } = await mesh.command(["kubeconfig"]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${join(mesh.runDir, "kubeconfig")}\n` });
  expect((await mesh.command(["kubeconfig", "--raw"])).stdout).toContain("current-context: lambient");
  const none = await mesh.command(["kubeconfig", "--run-dir", "/nowhere"]);
  expect(refused(none, 1)).toContain('start it with "lambient up"');
});
