/** The admin endpoint of a program: HTTP on a unix socket for metrics, readiness, a dump of what it holds, and its log level. Not reachable by network. */
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { LogLevel } from "#host/log.ts";
import type { MetricsRegistry } from "./metrics.ts";

/** Whether a program can do its work; with the reasons when it cannot. */
export type Readiness =
  | { readonly ready: true }
  | { readonly ready: false; readonly waitsFor: readonly string[] };

/** What the endpoint shows and changes. */
export interface AdminOptions {
  /** `<run-dir>/admin/<program>.sock`; its folder is made 0700 when absent, a socket left by a dead process is replaced. */
  readonly socketPath: string;
  readonly metrics: MetricsRegistry;
  readonly readiness: () => Readiness;
  /** The level to change; the program's log reads it at each line (`LogOptions` with this object's `level`). */
  readonly logging: { level: LogLevel };
  /** What `/config_dump` shows; without it the path is not found. No secrets. */
  readonly configDump?: () => unknown;
}

/** An endpoint that serves. */
export interface AdminServer extends Disposable {
  close(): void;
}

const levels: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** Starts serving. @throws when the socket cannot be made. */
export function serveAdmin(options: AdminOptions): AdminServer {
  mkdirSync(dirname(options.socketPath), { recursive: true, mode: 0o700 });
  rmSync(options.socketPath, { force: true });
  const initialLevel = options.logging.level;
  const server = Bun.serve({
    unix: options.socketPath,
    fetch: (request) => answer(request, options, initialLevel),
  });
  chmodSync(options.socketPath, 0o600);
  const close = (): void => {
    void server.stop(true);
    rmSync(options.socketPath, { force: true });
  };
  return { close, [Symbol.dispose]: close };
}

function answer(request: Request, options: AdminOptions, initialLevel: LogLevel): Response {
  const url = new URL(request.url);
  const get = request.method === "GET" || request.method === "HEAD";
  switch (url.pathname) {
    case "/metrics":
    case "/stats/prometheus":
      return get ? text(options.metrics.format(), 200, "text/plain; version=0.0.4") : notAllowed("GET");
    case "/healthz/ready":
      return get ? readiness(options.readiness()) : notAllowed("GET");
    case "/config_dump":
      if (options.configDump === undefined) return text("not found\n", 404);
      return get
        ? text(JSON.stringify(options.configDump(), bigintAsText, 2), 200, "application/json")
        : notAllowed("GET");
    case "/logging":
      return request.method === "POST"
        ? setLevel(url.searchParams.get("level"), options, initialLevel)
        : notAllowed("POST");
    default:
      return text("not found\n", 404);
  }
}

function readiness(state: Readiness): Response {
  return state.ready ? text("ready\n", 200) : text(`not ready: ${state.waitsFor.join(", ")}\n`, 500);
}

function setLevel(wanted: string | null, options: AdminOptions, initialLevel: LogLevel): Response {
  const level = wanted === "reset" ? initialLevel : levels.find((known) => known === wanted);
  if (level === undefined && wanted !== null) {
    return text(
      `Cannot set the log level as one of ${levels.join(", ")} or reset: "${wanted.slice(0, 64)}"\n`,
      400,
    );
  }
  if (level !== undefined) options.logging.level = level;
  return text(`current log level is ${options.logging.level}\n`, 200);
}

function notAllowed(method: string): Response {
  return new Response(`only ${method} is served here\n`, { status: 405, headers: { allow: method } });
}

function text(body: string, status: number, type = "text/plain"): Response {
  return new Response(body, { status, headers: { "content-type": type } });
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
