/** Requests to a Kubernetes API over HTTPS, on a unix socket or TCP, with a bearer token. Knows paths and bodies, no objects. */
import { readFileSync } from "node:fs";
import { errorText, MeshError } from "#host/mesh-error.ts";
import { KubeError } from "./kube-error.ts";
import type { Status } from "./object.ts";

/** Where the API is and as whom to speak to it. */
export interface KubeConnectionOptions {
  /** A unix socket; or else `host` and `port`. */
  readonly socketPath?: string;
  readonly host?: string;
  readonly port?: number;
  /** Name the server's certificate must carry. Default `lambient.local` on a socket, `host` on TCP. */
  readonly serverName?: string;
  /** PEM file of the authority that signed it; read at the first request, and anew after a failed one. */
  readonly caFile: string;
  /** A token, or else a file that holds one, read anew when the API refuses the last. */
  readonly token?: string;
  readonly tokenFile?: string;
  /** Longest wait for an answer; watches have no limit. Default 30000. */
  readonly timeoutMs?: number;
}

/** A request. */
export interface KubeRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
  readonly mediaType?: string;
  /** For what has no time limit of its own. */
  readonly signal?: AbortSignal;
}

const answerBytesMax = 256 << 20;

/** Sends requests; holds no state but the token. */
export class KubeConnection {
  readonly #options: KubeConnectionOptions;
  readonly #base: string;
  #token: string | undefined;
  #ca: string | undefined;

  constructor(options: KubeConnectionOptions) {
    if ((options.socketPath === undefined) === (options.host === undefined)) {
      throw new MeshError(
        "bad-input",
        "Cannot reach the Kubernetes API: give either a socket path or a host",
      );
    }
    this.#options = options;
    this.#base =
      options.host === undefined
        ? `https://${options.serverName ?? "lambient.local"}`
        : `https://${options.host.includes(":") ? `[${options.host}]` : options.host}:${options.port ?? 443}`;
  }

  /** Asks and gives the answer's JSON. @throws KubeError when refused, MeshError when not reached. */
  async ask(request: KubeRequest): Promise<unknown> {
    const response = await this.open({
      ...request,
      signal: AbortSignal.timeout(this.#options.timeoutMs ?? 30_000),
    });
    const text = await this.#describe(request, () => response.text());
    if (text.length > answerBytesMax) {
      throw new MeshError(
        "limit-reached",
        `Cannot read an answer of at most ${answerBytesMax} bytes: got ${text.length}`,
      );
    }
    return parseAnswer(request, text);
  }

  /** Asks and gives the answer once its head is there. @throws KubeError when refused, MeshError when not reached. */
  async open(request: KubeRequest): Promise<Response> {
    let response = await this.#describe(request, () => this.#fetch(request));
    if (response.status === 401 && this.#options.tokenFile !== undefined) {
      // The token may have been renewed since it was read.
      await response.text();
      this.#token = undefined;
      response = await this.#describe(request, () => this.#fetch(request));
    }
    if (response.ok) return response;
    throw new KubeError(statusOf(response.status, await this.#describe(request, () => response.text())));
  }

  async #fetch(request: KubeRequest): Promise<Response> {
    const { socketPath, serverName, caFile } = this.#options;
    this.#ca ??= readFileSync(caFile, "utf8");
    return fetch(`${this.#base}${request.path}`, {
      method: request.method,
      headers: {
        authorization: `Bearer ${this.#readToken()}`,
        accept: "application/json",
        // The name under which the API keeps what we write.
        "user-agent": "lambient",
        ...(request.body === undefined ? {} : { "content-type": request.mediaType ?? "application/json" }),
      },
      redirect: "error",
      tls: {
        ca: this.#ca,
        rejectUnauthorized: true,
        ...(serverName === undefined ? {} : { serverName }),
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      ...(socketPath === undefined ? {} : { unix: socketPath }),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
      // Bun's own limit of five minutes would end a quiet watch; ours is the signal.
      timeout: false,
    });
  }

  #readToken(): string {
    this.#token ??= this.#options.token ?? readFileSync(this.#options.tokenFile ?? "", "utf8").trim();
    return this.#token;
  }

  async #describe<Value>(request: KubeRequest, action: () => Promise<Value>): Promise<Value> {
    try {
      return await action();
    } catch (error) {
      this.#ca = undefined;
      const where = this.#options.socketPath ?? this.#base;
      const what = `Cannot ${request.method} ${request.path} at the Kubernetes API on ${where}`;
      const isTimeout = error instanceof DOMException && error.name === "TimeoutError";
      throw isTimeout
        ? new MeshError("timeout", `${what}: no answer within ${this.#options.timeoutMs ?? 30_000} ms`, error)
        : new MeshError("unavailable", `${what}: ${errorText(error)}`, error);
    }
  }
}

function parseAnswer(request: KubeRequest, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const what = `Cannot read the answer to ${request.method} ${request.path} as JSON`;
    throw new MeshError("protocol-violation", `${what}: ${JSON.stringify(text.slice(0, 80))}`, error);
  }
}

function statusOf(code: number, text: string): Status {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && "kind" in value && value.kind === "Status") {
      // Sound: an object that says so itself; every field we read from it is optional.
      return { code, ...value } as Status;
    }
  } catch {
    // An answer that is no Status, from a proxy perhaps: its text is the message.
  }
  const message = `HTTP ${code}: ${text.slice(0, 200)}`;
  return { apiVersion: "v1", kind: "Status", metadata: {}, status: "Failure", message, code };
}
