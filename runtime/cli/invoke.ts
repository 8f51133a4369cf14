/** `lambient invoke`: calls a function from outside, through the edge, as any caller on this machine can. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { systemClock } from "#host/clock.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import { openMeshApi } from "./api/mesh-api.ts";
import { type Console, paintError } from "./console.ts";
import { type FunctionName, needFunction } from "./function-name.ts";
import type { OutputFormat } from "./output.ts";
import { printResult } from "./output.ts";
import { buildChain, type ChainHop } from "./trace/chain.ts";
import { describeChain, fetchWhole } from "./trace/trace.ts";

/** The command's flags. */
export interface InvokeOptions {
  readonly runDir: string;
  readonly format: OutputFormat;
  readonly path: string;
  readonly method: string | undefined;
  readonly data: string | undefined;
  /** `Name: value` each. */
  readonly headers: readonly string[];
  /** Shows the call's whole chain afterwards. */
  readonly trace: boolean;
  readonly timeoutMs: number;
}

/** What a call brought. */
interface Answer {
  readonly response: Response;
  readonly body: Uint8Array;
  readonly durationMs: number;
  readonly traceId: string | undefined;
  /** Asked for and told. */
  readonly hops: readonly ChainHop[] | undefined;
}

/** Runs the command. @returns whether the function answered with a status below 400 */
export async function invoke(
  console: Console,
  target: FunctionName,
  options: InvokeOptions,
): Promise<boolean> {
  const api = openMeshApi(options.runDir);
  await needFunction(api, target);
  const sent = options.data === undefined ? undefined : readData(console.cwd, options.data);
  const startedAt = systemClock.monotonicMs();
  const response = await call(api.edge, `${target.name}.${target.namespace}`, { ...options, data: sent });
  const body = new Uint8Array(await response.arrayBuffer());
  const durationMs = Number((systemClock.monotonicMs() - startedAt).toFixed(2));
  const traceId = /^00-([0-9a-f]{32})-/.exec(response.headers.get("traceresponse") ?? "")?.[1];
  const hops =
    options.trace && traceId !== undefined ? buildChain(await fetchWhole(api, traceId)) : undefined;
  const answer = { response, body, durationMs, traceId, hops };
  if (options.trace && traceId === undefined)
    console.err("The call was not traced: the answer names no trace\n");
  if (options.format === "table") printAnswer(console, answer);
  else printResult(console, options.format, answerData(answer), () => "");
  return response.status < 400;
}

function answerData({ response, body, durationMs, traceId, hops }: Answer): object {
  const { status, headers } = response;
  return { status, durationMs, traceId, headers: Object.fromEntries(headers), body: asText(body), hops };
}

function printAnswer(console: Console, { response, body, durationMs, traceId, hops }: Answer): void {
  // As it came: a body may be a picture.
  console.out(body);
  if (isTextWithoutEnd(response, asText(body))) console.out("\n");
  console.err(`${summary(console, response, durationMs, traceId)}\n`);
  if (hops !== undefined) console.out(describeChain(console, traceId ?? "", hops));
}

function asText(body: Uint8Array): string {
  return Buffer.from(body).toString("utf8");
}

type CallOptions = Omit<InvokeOptions, "data"> & { readonly data: Uint8Array | string | undefined };

async function call(edge: string, host: string, options: CallOptions): Promise<Response> {
  const { path, data, timeoutMs } = options;
  if (!path.startsWith("/"))
    throw new MeshError("bad-input", `Cannot call the path "${path}": it must begin with /`);
  const headers = new Headers(options.headers.map(parseHeader));
  headers.set("host", host);
  // A context of ours, sampled, so that the call is traced whatever the edge's rate is.
  if (options.trace && !headers.has("traceparent")) headers.set("traceparent", newTraceparent());
  try {
    return await fetch(edge + path, {
      method: options.method ?? (data === undefined ? "GET" : "POST"),
      headers,
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
      ...(data === undefined ? {} : { body: data }),
    });
  } catch (error) {
    throw new MeshError(
      "unavailable",
      `Cannot call ${host} through the edge at ${edge}: ${errorText(error)}`,
      error,
    );
  }
}

/** Whether a terminal's next line would begin beside the body. */
function isTextWithoutEnd({ headers }: Response, text: string): boolean {
  return !text.endsWith("\n") && /text|json|xml/.test(headers.get("content-type") ?? "text");
}

/** `@path` is a file, anything else the text itself. */
function readData(cwd: string, data: string): Uint8Array | string {
  if (!data.startsWith("@")) return data;
  try {
    return readFileSync(resolve(cwd, data.slice(1)));
  } catch (error) {
    throw new MeshError("bad-input", `Cannot send the file "${data.slice(1)}": ${errorText(error)}`, error);
  }
}

function parseHeader(text: string): [string, string] {
  const at = text.indexOf(":");
  if (at < 1) throw new MeshError("bad-input", `Cannot read "${text}" as a header: write "Name: value"`);
  return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

function newTraceparent(): string {
  return `00-${randomHex(16)}-${randomHex(8)}-01`;
}

function randomHex(bytes: number): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("hex");
}

function summary(
  ...[console, response, durationMs, traceId]: [Console, Response, number, string | undefined]
): string {
  const { status, statusText, headers } = response;
  const rung = /rung;desc="?(\w+)"?/.exec(headers.get("server-timing") ?? "")?.[1];
  const parts = [
    paintError(console, status < 400 ? "good" : "bad", `${status} ${statusText}`.trim()),
    `${durationMs} ms`,
    ...(rung === undefined ? [] : [`served by ${/^[aeiou]/.test(rung) ? "an" : "a"} ${rung} instance`]),
    ...(traceId === undefined ? [] : [`trace ${traceId}`]),
  ];
  return paintError(console, "dim", parts.join(", "));
}
