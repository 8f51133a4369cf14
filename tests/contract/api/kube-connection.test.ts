/** What the client makes of servers that do not answer as Kubernetes does. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeError } from "#host/kube/kube-error.ts";
import { KubeConnection } from "#host/kube/kube-connection.ts";
import { openKubeClient } from "#host/kube/open-kube-client.ts";
import { MeshError } from "#host/mesh-error.ts";
import { namespaceResource } from "../../../k8s/model/core-objects.ts";
import { serverCertificate } from "./embedded-api.ts";

const folder = mkdtempSync(join(tmpdir(), "lambient-connection-"));
const caFile = join(folder, "ca.pem");
const { keyPem, certificatePem, caPem } = serverCertificate();
writeFileSync(caFile, caPem);
const never = Promise.withResolvers<Response>();
const answers: Readonly<Record<string, () => Response | Promise<Response>>> = {
  "/text": () => new Response("bad gateway", { status: 502 }),
  "/half": () => Response.json({ kind: "Status", message: "half a status" }, { status: 409 }),
  "/html": () => new Response("<html>"),
  "/redirect": () => Response.redirect("https://elsewhere.local/", 302),
  "/never": () => never.promise,
  "/api/v1/namespaces/default": () => Response.json({ kind: "Namespace", metadata: { name: "default" } }),
  "/api/v1/namespaces": () =>
    new Response(`{"type":"ADDED","object":{"metadata":{"name":"${"x".repeat(9 << 20)}"}}}\n`),
};
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  tls: { key: keyPem, cert: certificatePem },
  fetch: (request) => answers[new URL(request.url).pathname]?.() ?? new Response("", { status: 404 }),
});
const options = { host: "localhost", port: server.port ?? 0, caFile, token: "t", timeoutMs: 200 };
const connection = new KubeConnection(options);

afterAll(async () => {
  never.resolve(new Response());
  await server.stop(true);
  rmSync(folder, { recursive: true, force: true });
});

async function failure(path: string): Promise<unknown> {
  try {
    return await connection.ask({ method: "GET", path });
  } catch (error) {
    if (error instanceof KubeError) return [error.code, error.httpStatus, error.message];
    return error instanceof MeshError ? [error.code, error.message] : error;
  }
}

test.each([
  ["/text", ["io-failed", 502, "HTTP 502: bad gateway"]],
  ["/half", ["conflict", 409, "half a status"]],
  ["/nothing", ["not-found", 404, "HTTP 404: "]],
  ["/html", ["protocol-violation", 'Cannot read the answer to GET /html as JSON: "<html>"']],
  ["/never", ["timeout", expect.stringContaining("no answer within 200 ms")]],
  [
    "/redirect",
    [
      "unavailable",
      expect.stringContaining("Cannot GET /redirect at the Kubernetes API on https://localhost"),
    ],
  ],
])("%s is told as it is", async (path, want) => {
  expect(await failure(path)).toEqual(want);
});

test.each([
  ["neither a socket nor a host", {}],
  ["both", { host: "localhost", socketPath: "/x" }],
])("%s is refused", (_, where) => {
  expect(() => new KubeConnection({ caFile, token: "t", ...where })).toThrow(
    "give either a socket path or a host",
  );
});

test("an authority's file that is not there is told", async () => {
  const client = openKubeClient({ ...options, caFile: join(folder, "nothing.pem") });
  const text = await client.get(namespaceResource, { name: "default" }).catch(String);
  expect(text).toContain("nothing.pem");
});

test("a watch's line that is too long ends the watch with a reason", async () => {
  const ended = new AbortController();
  const told = Promise.withResolvers<unknown>();
  const client = openKubeClient(options);
  const list = client.list.bind(client);
  client.list = async (type, selection) =>
    type.resource === "namespaces"
      ? { apiVersion: "v1", kind: "NamespaceList", metadata: { resourceVersion: "1" }, items: [] }
      : list(type, selection);
  client.watch(namespaceResource, { onEvent: () => undefined, onError: told.resolve, signal: ended.signal });
  expect(String(await told.promise)).toContain("Cannot read a watch's line of at most");
  ended.abort();
});
