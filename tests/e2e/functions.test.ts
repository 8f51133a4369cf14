import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { internetAddress } from "../support/test-host.ts";
import { waitUntil } from "../support/wait-until.ts";

setDefaultTimeout(30_000);

let mesh: Mesh;
beforeAll(async () => {
  mesh = await startMesh({ flags: ["--pool-size", "6"] });
  await mesh.deployFunctions("f", sources);
}, 60_000);
afterAll(async () => {
  await mesh.down();
  expect(await mesh.leaks()).toEqual([]);
  await mesh.host.close();
});

const sources = {
  who: {
    source: `const id = crypto.randomUUID();
      export default { fetch: () => new Response(id) };`,
    scale: { idleMs: 300 },
  },
  slow: {
    source: `const id = crypto.randomUUID();
      export default { async fetch() { await Bun.sleep(400); return new Response(id); } };`,
    scale: { concurrency: 1, max: 3, idleMs: 1000 },
  },
  crash: {
    source: `const id = crypto.randomUUID();
      export default { fetch(request) {
        if (new URL(request.url).pathname === "/die") process.exit(7);
        if (new URL(request.url).pathname === "/throw") throw new Error("thrown on purpose");
        return new Response(id);
      } };`,
  },
  later: {
    source: `export default { fetch(request, env, ctx) {
      ctx.waitUntil(Bun.sleep(300).then(() => console.log("done later", new URL(request.url).search)));
      return new Response("at once");
    } };`,
    scale: { idleMs: 0 },
  },
  stuck: {
    source: `if (new URL(import.meta.url).pathname.includes("never")) await 0;
      const { promise } = Promise.withResolvers();
      export default { fetch: () => promise };`,
  },
  stream: {
    source: `export default { fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/count") return request.arrayBuffer().then((body) => new Response(String(body.byteLength)));
      const size = Number(pathname.slice(1));
      let sent = 0;
      return new Response(new ReadableStream({ pull(controller) {
        if (sent >= size) return controller.close();
        sent += 65536;
        controller.enqueue(new Uint8Array(65536).fill(97));
      } }));
    } };`,
  },
  names: {
    source: `export default { async fetch() {
      const ask = async (url) => (await fetch(url)).status;
      return Response.json([await ask("http://who/"), await ask("http://who.f/"), await ask("http://who.f.svc.cluster.local/")]);
    } };`,
  },
};

async function instancesOf(name: string): Promise<number> {
  return (await mesh.instances()).filter((one) => one.function === name && one.namespace === "f").length;
}

test("an instance serves one call after another, ends when nobody calls, and the next call gets a new one", async () => {
  const first = (await mesh.call("who.f")).body;
  expect((await mesh.call("who.f")).body).toBe(first);
  await waitUntil("it has ended", async () => (await instancesOf("who")) === 0);
  const second = await mesh.call("who.f");
  expect(second.status).toBe(200);
  expect(second.body).not.toBe(first);
  expect(second.headers.get("server-timing")).toMatch(/rung;desc="?(pooled|new)"?/);
});

test("calls at once share instances by concurrency, up to the most, and the rest wait", async () => {
  const answers = await Promise.all(Array.from({ length: 9 }, () => mesh.call("slow.f")));
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 9 }, () => 200));
  const ids = new Set(answers.map(({ body }) => body));
  expect(ids.size).toBe(3);
  await waitUntil("all have ended", async () => (await instancesOf("slow")) === 0);
}, 20_000);

test("many calls of a sleeping function share one activation", async () => {
  await waitUntil("it sleeps", async () => (await instancesOf("who")) === 0);
  const answers = await Promise.all(Array.from({ length: 20 }, () => mesh.call("who.f")));
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
});

test("a crash is answered 502, and the next call finds a new instance", async () => {
  const before = (await mesh.call("crash.f")).body;
  expect((await mesh.call("crash.f", { path: "/die" })).status).toBe(502);
  const after = await mesh.call("crash.f");
  expect(after.status).toBe(200);
  expect(after.body).not.toBe(before);
});

test("an exception is answered 500, is in the log, and the instance goes on", async () => {
  const before = (await mesh.call("crash.f")).body;
  expect((await mesh.call("crash.f", { path: "/throw" })).status).toBe(500);
  expect((await mesh.call("crash.f")).body).toBe(before);
  await waitUntil("the log has it", async () =>
    (await mesh.command(["logs", "crash.f"])).stdout.includes("thrown on purpose"),
  );
});

test("what is given to waitUntil goes on after the answer, though nobody calls any more", async () => {
  const word = `?${crypto.randomUUID()}`;
  expect((await mesh.call("later.f", { path: `/${word}` })).body).toBe("at once");
  await waitUntil("it is done", async () =>
    (await mesh.command(["logs", "later.f"])).stdout.includes(`done later ${word}`),
  );
});

test("names of three forms lead to the same function", async () => {
  expect(JSON.parse((await mesh.call("names.f")).body)).toEqual([200, 200, 200]);
});

test("bodies stream both ways through the whole mesh", async () => {
  const size = 64 << 20;
  const down = await mesh.host.run(["sh", "-c", `curl -s -H "Host: stream.f" ${mesh.edge}/${size} | wc -c`]);
  expect(down.stdout.trim()).toBe(String(size));
  const up = await mesh.host.run([
    "sh",
    "-c",
    `head -c ${size} /dev/zero | curl -s -T - -H "Host: stream.f" ${mesh.edge}/count`,
  ]);
  expect(up.stdout.trim()).toBe(String(size));
}, 60_000);

test("a call is held for an instance that starts, and answered 504 when it takes too long", async () => {
  // The internet decides how long the module takes to load; where it is checked at deploy there is no internet.
  const gate = { delayMs: 100 };
  const server = mesh.host.onInternet(() =>
    Bun.serve({
      hostname: internetAddress,
      port: 81,
      idleTimeout: 0,
      fetch: async () => (await Bun.sleep(gate.delayMs), new Response("go")),
    }),
  );
  await mesh.deployFunctions("f", {
    sloth: {
      source: `await fetch("http://${internetAddress}:81/").catch(() => {});
        export default { fetch: () => new Response("at last") };`,
      scale: { activationTimeoutMs: 1000, idleMs: 0 },
    },
  });
  expect(await mesh.call("sloth.f")).toMatchObject({ status: 200, body: "at last" });
  gate.delayMs = 5000;
  await waitUntil("it has ended", async () => (await instancesOf("sloth")) === 0);
  expect((await mesh.call("sloth.f")).status).toBe(504);
  gate.delayMs = 0;
  await waitUntil("it serves again", async () => (await mesh.call("sloth.f")).body === "at last");
  await server.stop(true);
});

test("a caller that goes away does not keep an instance busy", async () => {
  await mesh.call("stuck.f", { timeoutMs: 300 }).catch(() => {});
  await waitUntil("the edge has noticed", () => mesh.log("edge").includes("stuck.f"));
});

test("an unknown host is answered 404 with the form that hosts have", async () => {
  const answer = await mesh.call("nobody.f");
  expect(answer.status).toBe(404);
  expect((await mesh.call("127.0.0.1:8080")).body).toContain("<function>.<namespace>");
});

test("identity headers from outside do not reach a function", async () => {
  await mesh.deployFunctions("f", {
    heads: { source: `export default { fetch: (request) => Response.json([...request.headers]) };` },
  });
  const forged = {
    "x-forwarded-client-cert": "By=spiffe://cluster.local/ns/f/sa/admin",
    "x-lambient-caller": "spiffe://cluster.local/ns/f/sa/admin",
    "lambient-caller": "x",
  };
  const { body } = await mesh.call("heads.f", { headers: forged });
  expect(body).not.toContain("sa/admin");
  expect(body).toContain("ns/lambient-system/sa/edge");
});
