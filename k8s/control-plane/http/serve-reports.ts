/** `GET /lambient/v1/…`: what the node runtime knows of instances, schedules and logs. */
import { errorText, meshErrorCode } from "#host/mesh-error.ts";
import type { InstanceReport } from "../node/instance-list.ts";
import { refusal } from "./refusal.ts";

/** Where the answers come from. */
export interface NodeReports {
  readonly instances: () => readonly InstanceReport[];
  /** Asks the node runtime. @throws MeshError (rejects) */
  readonly ask: (method: string, params: object, timeoutMs: number) => Promise<unknown>;
}

interface LogAnswer {
  readonly lines: readonly unknown[];
  readonly cursor: string;
}

const askTimeoutMs = 10_000;
const waitMsMax = 20_000;
const tailMax = 100_000;

/** Answers for the part of the path after `/lambient/v1/`. */
export async function serveReports(reports: NodeReports, name: string, request: Request): Promise<Response> {
  if (request.method !== "GET")
    return refusal(405, "MethodNotAllowed", `Cannot ${request.method} ${name}: only GET is served`);
  switch (name) {
    case "instances":
      return Response.json({ instances: reports.instances() });
    case "schedules":
      return answerFrom(() => reports.ask("schedules", {}, askTimeoutMs));
    case "logs":
      return serveLogs(reports, new URL(request.url), request.signal);
    default:
      return refusal(
        404,
        "NotFound",
        `Cannot find ${name.slice(0, 100)}: there are instances, schedules and logs`,
      );
  }
}

async function serveLogs(reports: NodeReports, url: URL, signal: AbortSignal): Promise<Response> {
  const params = url.searchParams;
  const namespace = params.get("namespace") ?? "";
  const functionName = params.get("function") ?? "";
  const tailLines = readWhole(params, ["tail", "tailLines"], tailMax);
  const sinceMs = readWhole(params, ["sinceMs", "since"], Number.MAX_SAFE_INTEGER);
  const waitMs = readWhole(params, ["waitMs"], waitMsMax);
  const cursor = params.get("cursor");
  const isGood = [tailLines, sinceMs, waitMs].every((value) => !Number.isNaN(value ?? 0));
  if (namespace === "" || functionName === "" || !isGood) {
    const wanted = "namespace= and function=, and tail=, sinceMs=, waitMs= whole numbers where given";
    return refusal(400, "BadRequest", `Cannot read logs as ${wanted}: "${url.search.slice(0, 200)}"`);
  }
  const query = {
    namespace,
    function: functionName,
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(sinceMs === undefined ? {} : { sinceMs: Math.floor(sinceMs) }),
    ...(waitMs === undefined ? {} : { waitMs }),
    ...(cursor === null ? {} : { cursor }),
  };
  if (params.get("follow") === "true") return followLogs(reports, query, signal);
  return answerFrom(() => reports.ask("logs", query, (waitMs ?? 0) + askTimeoutMs));
}

/** One line of JSON a log line, for as long as the client listens: each pull asks for what came since. */
function followLogs(reports: NodeReports, first: object, signal: AbortSignal): Response {
  let query = first;
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const answer = (await reports.ask("logs", query, waitMsMax + askTimeoutMs)) as LogAnswer;
        query = { ...first, cursor: answer.cursor, waitMs: waitMsMax };
        // An empty line keeps what stands between us and the client from taking the silence for an end.
        const text = answer.lines.map((line) => `${JSON.stringify(line)}\n`).join("");
        if (!signal.aborted) controller.enqueue(encoder.encode(text === "" ? "\n" : text));
      } catch (error) {
        controller.error(error);
      }
    },
  });
  return new Response(body, { headers: { "content-type": "application/x-ndjson" } });
}

async function answerFrom(ask: () => Promise<unknown>): Promise<Response> {
  try {
    return Response.json(await ask());
  } catch (error) {
    const code = meshErrorCode(error);
    if (code === "not-found") return refusal(404, "NotFound", errorText(error));
    if (code === "bad-input") return refusal(400, "BadRequest", errorText(error));
    return refusal(503, "ServiceUnavailable", errorText(error));
  }
}

/** The first of the names that is there; NaN when it is no number within bounds. */
function readWhole(params: URLSearchParams, names: readonly string[], max: number): number | undefined {
  const text = names.map((name) => params.get(name)).find((value) => value !== null);
  if (text === undefined || text === null) return undefined;
  const value = /^\d{1,16}(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  return value <= max ? value : Number.NaN;
}
