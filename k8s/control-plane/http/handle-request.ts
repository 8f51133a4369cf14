/** Every request to the API's port and socket: who asks, and which part answers. */
import type { Api } from "../../api/api.ts";
import { type Authenticator, type Program, userOfProgram } from "../authenticate.ts";
import { serveBundle } from "../bundles/serve-bundles.ts";
import type { BundleStore } from "../bundles/bundle-store.ts";
import type { SpanStore } from "../spans/span-store.ts";
import { listTraces, showTrace, takeSpans } from "../spans/serve-spans.ts";
import { refusal } from "./refusal.ts";
import { type NodeReports, serveReports } from "./serve-reports.ts";

/** The parts behind the port. */
export interface RequestParts {
  readonly authenticator: Authenticator;
  readonly api: Pick<Api, "handle" | "authenticate">;
  readonly bundles: BundleStore;
  readonly spans: SpanStore;
  readonly reports: NodeReports;
  readonly onFault: (path: string, error: unknown) => void;
}

const spanSources: ReadonlySet<Program> = new Set<Program>([
  "ztunnel",
  "waypoint",
  "edge",
  "node-runtime",
  "admin",
]);
const bundleReaders: ReadonlySet<Program> = new Set<Program>(["node-runtime", "admin"]);

/** Answers; never throws. */
export async function handleRequest(parts: RequestParts, request: Request): Promise<Response> {
  const url = new URL(request.url);
  try {
    const program = await parts.authenticator.programOf(request.headers.get("authorization") ?? undefined);
    return await route(parts, { request, url, program });
  } catch (error) {
    parts.onFault(url.pathname, error);
    if ((error as { code?: unknown } | undefined)?.code === "SQLITE_FULL")
      return refusal(
        507,
        "InsufficientStorage",
        "Cannot store it: the disk is full; free space in the data folder",
      );
    return refusal(
      500,
      "InternalError",
      "Cannot answer the request: an internal fault, which the log tells of",
    );
  }
}

interface Asked {
  readonly request: Request;
  readonly url: URL;
  readonly program: Program | undefined;
}

function route(parts: RequestParts, asked: Asked): Promise<Response> | Response {
  const { request, url, program } = asked;
  const [, first = "", second = "", third = ""] = url.pathname.split("/");
  switch (first) {
    case "bundles":
      return permit(program, request.method === "PUT" ? isAdmin : isBundleReader, () =>
        serveBundle(parts.bundles, request, second),
      );
    case "v1":
      if (second !== "traces") break;
      return permit(program, isSpanSource, () => takeSpans(parts.spans, request));
    case "traces":
      return permit(program, isAdmin, () =>
        second === "" ? listTraces(parts.spans, url) : showTrace(parts.spans, second),
      );
    case "lambient":
      if (second !== "v1") break;
      return permit(program, isAdmin, () => serveReports(parts.reports, third, request));
  }
  return answerByApi(parts, asked);
}

async function answerByApi({ api }: RequestParts, { request, program }: Asked): Promise<Response> {
  const token = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
  const account = program === undefined && token !== undefined ? await api.authenticate(token) : undefined;
  return api.handle(request, program === undefined ? account : userOfProgram(program));
}

function permit(
  program: Program | undefined,
  may: (program: Program) => boolean,
  answer: () => Promise<Response> | Response,
): Promise<Response> | Response {
  if (program === undefined)
    return refusal(
      401,
      "Unauthorized",
      "Cannot answer without a bearer token that is valid: send one of this mesh's",
    );
  return may(program)
    ? answer()
    : refusal(403, "Forbidden", `Cannot answer ${program}: another program's token is needed`);
}

function isAdmin(program: Program): boolean {
  return program === "admin";
}

function isBundleReader(program: Program): boolean {
  return bundleReaders.has(program);
}

function isSpanSource(program: Program): boolean {
  return spanSources.has(program);
}
