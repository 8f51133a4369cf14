import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { waitUntil } from "../support/wait-until.ts";

setDefaultTimeout(60_000);

let mesh: Mesh;
/** Policies that are there now. */
const applied = new Set<string>();
beforeAll(async () => {
  mesh = await startMesh({ flags: ["--pool-size", "6"] });
  await mesh.deployFunctions("p", {
    target: { source: target },
    friend: { source: caller },
    stranger: { source: caller },
  });
  await mesh.deployFunctions("q", { outsider: { source: caller } });
});
afterEach(async () => {
  // A test that failed leaves its policies; the others must not fail of them.
  for (const name of applied) await remove(name);
});
afterAll(async () => {
  await mesh.down();
  expect(await mesh.leaks()).toEqual([]);
  await mesh.host.close();
});

/** Tells where it lives; streams a byte every 20 ms for ever. */
const target = `import { networkInterfaces } from "node:os";
export default { fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === "/forever") {
    return new Response(new ReadableStream({ async pull(controller) { await Bun.sleep(20); controller.enqueue(new Uint8Array([46])); } }));
  }
  return new Response("reached");
} };`;

/** Asks what it is told to ask, and tells what came. `/stream` reads on until it ends, and says how. */
const caller = `const reading = { bytes: 0, end: "" };
export default { async fetch(request) {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === "/read") return Response.json(reading);
  const url = searchParams.get("url");
  try {
    const response = await fetch(url, pathname === "/stream" ? {} : { signal: AbortSignal.timeout(3000) });
    if (pathname !== "/stream") return Response.json({ status: response.status, body: await response.text() });
    reading.bytes = 0; reading.end = "";
    (async () => {
      try { for await (const chunk of response.body) reading.bytes += chunk.length; reading.end = "closed"; }
      catch (error) { reading.end = "cut"; }
    })();
    return Response.json({ status: response.status });
  } catch (error) {
    return Response.json({ status: 0, body: String(error) });
  }
} };`;

interface Asked {
  readonly status: number;
  readonly body: string;
}

async function ask(who: string, url: string, path = "/"): Promise<Asked> {
  const answer = await mesh.call(who, { path: `${path}?url=${encodeURIComponent(url)}` });
  return JSON.parse(answer.body) as Asked;
}

function policy(name: string, action: string, rules: string): string {
  return `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name} }
spec:
  selector: { matchLabels: { app: target } }
  action: ${action}
  rules: ${rules}
`;
}

async function apply(
  ...policies: readonly (readonly [name: string, action: string, rules: string])[]
): Promise<void> {
  for (const [name] of policies) applied.add(name);
  await mesh.applyObjects(
    "p",
    policies.map(([name, action, rules]) => policy(name, action, rules)).join("---\n"),
  );
}

async function remove(name: string): Promise<void> {
  applied.delete(name);
  const result = await mesh.command(["delete", "authorizationpolicy", name, "-n", "p"]);
  expect(result.code).toBe(0);
}

async function eventually(who: string, status: number): Promise<void> {
  await waitUntil(
    `${who} is answered ${status}`,
    async () => (await ask(who, "http://target.p/")).status === status,
  );
}

test("without a policy everybody is let in; with one that allows, only whom it names", async () => {
  for (const who of ["friend.p", "stranger.p", "outsider.q"])
    expect(await ask(who, "http://target.p/")).toEqual({ status: 200, body: "reached" });
  await apply([
    "only-friend",
    "ALLOW",
    "[{ from: [{ source: { principals: [cluster.local/ns/p/sa/friend] } }] }]",
  ]);
  await eventually("stranger.p", 403);
  expect(await ask("friend.p", "http://target.p/")).toEqual({ status: 200, body: "reached" });
  expect((await ask("outsider.q", "http://target.p/")).status).toBe(403);
  expect((await mesh.call("target.p")).status).toBe(403);
  // The destination may know the policy a moment before the waypoint, whose line names what refused only when itself did.
  await waitUntil("the waypoint's refusal is logged with its policy", async () => {
    expect((await ask("stranger.p", "http://target.p/")).status).toBe(403);
    return /response_code=403.*src.identity="spiffe:\/\/cluster.local\/ns\/p\/sa\/stranger".*policy="p\/only-friend"/.test(
      mesh.log("node-runtime"),
    );
  });
  await remove("only-friend");
  await eventually("stranger.p", 200);
});

test("a policy that denies a namespace wins over one that allows all", async () => {
  await apply(["all", "ALLOW", "[{}]"], ["not-q", "DENY", "[{ from: [{ source: { namespaces: [q] } }] }]"]);
  await eventually("outsider.q", 403);
  expect((await ask("stranger.p", "http://target.p/")).status).toBe(200);
  await remove("not-q");
  await remove("all");
  await eventually("outsider.q", 200);
});

test("an ALLOW policy without rules lets nobody in", async () => {
  await apply(["nobody", "ALLOW", "[]"]);
  await eventually("friend.p", 403);
  await remove("nobody");
  await eventually("friend.p", 200);
});

/** How far stranger is with its stream. */
async function read(): Promise<{ readonly bytes: number; readonly end: string }> {
  return JSON.parse((await mesh.call("stranger.p", { path: "/read" })).body) as {
    bytes: number;
    end: string;
  };
}

test("a stream that carries bytes is cut when its caller is no longer allowed", async () => {
  expect(await ask("stranger.p", "http://target.p/forever", "/stream")).toEqual({ status: 200 } as Asked);
  await waitUntil("bytes flow", async () => (await read()).bytes > 5);
  await apply([
    "not-stranger",
    "DENY",
    "[{ from: [{ source: { principals: [cluster.local/ns/p/sa/stranger] } }] }]",
  ]);
  const { end } = await waitUntil("the stream has ended", async () => {
    const now = await read();
    return now.end === "" ? undefined : now;
  });
  expect(end).toBe("cut");
  await remove("not-stranger");
  await eventually("stranger.p", 200);
});

test("an instance cannot be dialled past its waypoint", async () => {
  await mesh.call("target.p");
  const [instance] = (await mesh.instances()).filter((one) => one.function === "target");
  expect(instance?.address).toMatch(/^10\.244\.0\./);
  for (const who of ["friend.p", "outsider.q"]) {
    const { status } = await ask(who, `http://${instance?.address}:8080/`);
    expect(status === 0 || status >= 400).toBe(true);
    // The same through its service is answered.
    expect((await ask(who, "http://target.p/")).status).toBe(200);
  }
});
