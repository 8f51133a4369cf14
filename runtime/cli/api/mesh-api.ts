/** The mesh's API as the command line uses it: Kubernetes' REST paths and ours, over TLS with the administrator's token. Knows no kinds. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { KubeError } from "#host/kube/kube-error.ts";
import type { Status } from "#host/kube/object.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import { meshPaths } from "../mesh-paths.ts";

/** A request to the API. */
export interface ApiRequest {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With its query. */
  readonly path: string;
  readonly body?: Uint8Array | string;
  readonly contentType?: string;
  /** Default 30000; the whole answer must have come by then. 0 waits for ever. */
  readonly timeoutMs?: number;
}

/** The API of one mesh. */
export interface MeshApi {
  /** Where callers from outside reach functions, such as `http://127.0.0.1:8080`. */
  readonly edge: string;
  /** @throws KubeError when the API refuses; MeshError `unavailable` when it is not reached */
  json(request: ApiRequest): Promise<unknown>;
  /** The answer's lines as they come. @throws as `json` does */
  lines(request: ApiRequest): AsyncGenerator<string>;
}

const defaultTimeoutMs = 30_000;
const lineCharactersMax = 4 << 20;

interface Kubeconfig {
  readonly server: string;
  readonly ca: string;
  readonly token: string;
}

/**
 * Reads where the mesh is and who may use it.
 * @throws MeshError `unavailable` when no mesh runs there, `not-permitted` when its files are not ours to read
 */
export function openMeshApi(runDir: string): MeshApi {
  const paths = meshPaths(runDir, "/");
  const kubeconfig = parseKubeconfig(readMeshFile(paths.kubeconfig, runDir));
  const endpoints = JSON.parse(readMeshFile(paths.endpointsFile, runDir)) as { readonly edge: string };
  return {
    edge: endpoints.edge,
    async json(request) {
      const text = await (await send(kubeconfig, request)).text();
      return text === "" ? undefined : parseJson(text, request.path);
    },
    async *lines(request) {
      const response = await send(kubeconfig, request);
      if (response.body !== null) yield* splitLines(response.body);
    },
  };
}

async function send(kubeconfig: Kubeconfig, request: ApiRequest): Promise<Response> {
  const { server, ca, token } = kubeconfig;
  const timeoutMs = request.timeoutMs ?? defaultTimeoutMs;
  const headers: Record<string, string> = { authorization: `Bearer ${token}`, accept: "application/json" };
  if (request.body !== undefined) headers["content-type"] = request.contentType ?? "application/json";
  let response: Response;
  try {
    response = await fetch(server + request.path, {
      method: request.method ?? "GET",
      headers,
      tls: { ca },
      ...(request.body === undefined ? {} : { body: request.body }),
      ...(timeoutMs === 0 ? {} : { signal: AbortSignal.timeout(timeoutMs) }),
    });
  } catch (error) {
    throw new MeshError(
      "unavailable",
      `Cannot reach the API at ${server}: ${errorText(error)}; look at "lambient status"`,
      error,
    );
  }
  if (response.ok) return response;
  throw refusal(response, await response.text(), request);
}

function refusal(response: Response, text: string, request: ApiRequest): MeshError {
  const status = readStatus(text);
  if (status !== undefined) return new KubeError(status);
  const said = text.trim().slice(0, 300);
  const path = request.path.split("?")[0];
  const code = response.status === 404 ? "not-found" : "io-failed";
  return new MeshError(
    code,
    `Cannot ${request.method ?? "GET"} ${path}: the API answered ${response.status} ${said}`,
  );
}

function readStatus(text: string): Status | undefined {
  try {
    const value = JSON.parse(text) as { readonly kind?: unknown };
    return value.kind === "Status" ? (value as Status) : undefined;
  } catch {
    return undefined; // not from the Kubernetes part of the API
  }
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new MeshError(
      "protocol-violation",
      `Cannot read the API's answer to ${path} as JSON: ${text.slice(0, 100)}`,
    );
  }
}

function parseKubeconfig(text: string): Kubeconfig {
  // Sound: the supervisor wrote it, in this form.
  const config = parse(text) as {
    readonly clusters: readonly [
      { readonly cluster: { readonly server: string; readonly "certificate-authority-data": string } },
    ];
    readonly users: readonly [{ readonly user: { readonly token: string } }];
  };
  const { cluster } = config.clusters[0];
  const ca = Buffer.from(cluster["certificate-authority-data"], "base64").toString("utf8");
  return { server: cluster.server, ca, token: config.users[0].user.token };
}

function readMeshFile(path: string, runDir: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EACCES") {
      throw new MeshError(
        "not-permitted",
        `Cannot read ${path}: it is for the mesh's administrator; run the command with sudo`,
        error,
      );
    }
    throw new MeshError(
      "unavailable",
      `Cannot reach a mesh at ${runDir}: none runs there; start it with "lambient up", or name its --run-dir`,
      error,
    );
  }
}

async function* splitLines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of body) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    if (rest.length > lineCharactersMax)
      throw new MeshError("limit-reached", "Cannot read a line of the API: it is too long");
    yield* parts.filter((line) => line !== "");
  }
  if (rest !== "") yield rest;
}
