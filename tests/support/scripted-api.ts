/** As much of the Kubernetes API as the node runtime asks for, on a unix socket with TLS: objects that a test puts there, bundles, and the spans that come. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateKeyPairSync } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import { SignJWT } from "jose";
import { defaultLimits, defaultScale, type RevisionSpec } from "#core/release/function-spec.ts";
import { releaseBytes, releaseKeyDer } from "#core/release/release-signature.ts";
import { formatPem } from "#core/x509/pem.ts";
import { makeTestCa } from "./test-ca.ts";

interface Stored {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly namespace: string; readonly name: string; readonly resourceVersion: string };
}

/** A scripted API. */
export interface ScriptedApi extends Disposable {
  /** Creates or replaces an object; watchers are told. */
  put(resource: string, object: object & { metadata: { namespace: string; name: string } }): void;
  remove(resource: string, namespace: string, name: string): void;
  /** Adds a bundle. @returns its digest */
  addBundle(code: string): string;
  /** Puts a Revision of the namespace `shop`, signed unless told otherwise. @returns `<namespace>/<name>` */
  addRevision(name: string, code: string, part?: Partial<RevisionSpec>): string;
  /** A spec as `addRevision` makes it, not stored. */
  revisionSpec(name: string, code: string, part?: Partial<RevisionSpec>): RevisionSpec;
  /** A token of the mesh's key. */
  token(program: string): Promise<string>;
  /** Bodies of `POST /v1/traces`. */
  readonly traces: string[];
}

const secretKey = new Uint8Array(32).fill(9);

/** Serves below a run directory and writes what programs find there: `ca.pem`, tokens and keys. */
export async function openScriptedApi(runDir: string): Promise<ScriptedApi> {
  const ca = makeTestCa();
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const token = (program: string): Promise<string> =>
    new SignJWT({})
      .setProtectedHeader({ alg: "ES256" })
      .setSubject(`system:lambient:${program}`)
      .setAudience("lambient")
      .sign(privateKey);
  mkdirSync(join(runDir, "tokens"), { recursive: true, mode: 0o700 });
  writeFileSync(join(runDir, "ca.pem"), ca.rootsPem);
  writeFileSync(join(runDir, "token-key.pem"), publicKey.export({ type: "spki", format: "pem" }));
  writeFileSync(join(runDir, "tokens", "node-runtime"), await token("node-runtime"));
  const releaseKey = formatPem("PUBLIC KEY", releaseKeyDer(ed25519.getPublicKey(secretKey)));
  writeFileSync(join(runDir, "release-key.pem"), releaseKey);

  const objects = new Map<string, Stored>();
  const bundles = new Map<string, Uint8Array>();
  const watchers = new Set<{ readonly resource: string; readonly send: (event: object) => void }>();
  const traces: string[] = [];
  let version = 0;
  const tell = (resource: string, type: string, object: Stored): void => {
    for (const watcher of watchers) if (watcher.resource === resource) watcher.send({ type, object });
  };
  const listOf = (resource: string): Stored[] =>
    [...objects].filter(([key]) => key.startsWith(`${resource} `)).map(([, object]) => object);

  const answer = async (request: Request, on: Bun.Server<undefined>): Promise<Response> => {
    const url = new URL(request.url);
    if (url.pathname === "/v1/traces") {
      traces.push(await request.text());
      return Response.json({});
    }
    const bundle = /^\/bundles\/(.*)$/.exec(url.pathname)?.[1];
    if (bundle !== undefined) {
      const bytes = bundles.get(bundle);
      return bytes === undefined ? notFound() : new Response(Buffer.from(bytes));
    }
    const parts = url.pathname.split("/").slice(url.pathname.startsWith("/api/") ? 3 : 4);
    if (parts[0] === "namespaces") {
      const [, namespace = "", resource = "", name = ""] = parts;
      const object = objects.get(`${resource} ${namespace}/${name}`);
      return object === undefined ? notFound() : Response.json(object);
    }
    const [resource = ""] = parts;
    if (url.searchParams.get("watch") === "true") {
      on.timeout(request, 0);
      return watchOf(resource, request.signal);
    }
    const metadata = { resourceVersion: String(version) };
    return Response.json({ apiVersion: "v1", kind: "List", metadata, items: listOf(resource) });
  };
  const watchOf = (resource: string, signal: AbortSignal): Response => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        const send = (event: object): void => controller.enqueue(Buffer.from(`${JSON.stringify(event)}\n`));
        const watcher = { resource, send };
        watchers.add(watcher);
        signal.addEventListener("abort", () => watchers.delete(watcher));
        // The head must leave before the first event does.
        send({ type: "BOOKMARK", object: { metadata: { resourceVersion: String(version) } } });
      },
    });
    return new Response(body);
  };
  const { keyPem: key, chainPem: cert } = ca.issueServer(["lambient.local"]);
  const server = Bun.serve({
    unix: join(runDir, "api.sock"),
    tls: { key, cert },
    fetch: answer,
  });

  const api: ScriptedApi = {
    traces,
    token,
    put(resource, given) {
      const id = `${resource} ${given.metadata.namespace}/${given.metadata.name}`;
      const type = objects.has(id) ? "MODIFIED" : "ADDED";
      const metadata = { ...given.metadata, resourceVersion: String(++version) };
      const object: Stored = { apiVersion: "v1", kind: "Any", ...given, metadata };
      objects.set(id, object);
      tell(resource, type, object);
    },
    remove(resource, namespace, name) {
      const id = `${resource} ${namespace}/${name}`;
      const object = objects.get(id);
      objects.delete(id);
      if (object !== undefined) tell(resource, "DELETED", object);
    },
    addBundle(code) {
      const bytes = Buffer.from(code);
      const digest = `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
      bundles.set(digest, bytes);
      return digest;
    },
    addRevision(name, code, part) {
      const spec = api.revisionSpec(name, code, part);
      api.put("revisions", { metadata: { namespace: "shop", name }, spec } as never);
      return `shop/${name}`;
    },
    revisionSpec(name, code, part = {}) {
      const [owner = name] = name.split("-");
      const spec = {
        function: owner,
        serviceAccountName: owner,
        group: "waypoint",
        bundle: api.addBundle(code),
        engine: "bun" as const,
        env: {},
        secrets: {},
        bindings: [],
        scale: defaultScale,
        limits: defaultLimits,
        egress: "ALLOW_ANY" as const,
        ...part,
      };
      const bytes = releaseBytes({ namespace: "shop", name, spec });
      const signature = Buffer.from(ed25519.sign(bytes, secretKey)).toString("base64");
      return { signature, ...spec };
    },
    [Symbol.dispose]: () => void server.stop(true),
  };
  return api;
}

function notFound(): Response {
  const status = {
    apiVersion: "v1",
    kind: "Status",
    metadata: {},
    status: "Failure",
    reason: "NotFound",
    code: 404,
  };
  return Response.json(status, { status: 404 });
}
