/**
 * The API that the contract suite speaks to, over plain HTTPS: the embedded one, or any other named by the environment:
 * `CONTRACT_API_URL`, `CONTRACT_API_TOKEN`, `CONTRACT_API_CA` (a PEM file).
 */
import { readFileSync } from "node:fs";
import { adminUser, startEmbeddedApi } from "./embedded-api.ts";

/** What came back. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

/** JSON of any form, read by path; what is read is asserted. */
export interface Json {
  readonly [field: string]: Json;
}

/** The items of an array at some place; none when there is no array. */
export function itemsOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

/** What stands at some place, as text; empty when nothing does. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value ?? "");
}

/** Sends requests. */
export interface ApiUnderTest extends AsyncDisposable {
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Opens a watch and gives its events one by one. */
  watch(path: string): Promise<WatchUnderTest>;
}

/** An open watch. */
export interface WatchUnderTest {
  readonly status: number;
  /** The next event; undefined when the watch has ended. */
  next(): Promise<Json | undefined>;
  close(): void;
}

/** Opens the API that the environment names, or an embedded one. */
export function openApiUnderTest(): ApiUnderTest {
  const url = process.env["CONTRACT_API_URL"];
  if (url !== undefined) {
    const ca = readFileSync(process.env["CONTRACT_API_CA"] ?? "", "utf8");
    return connectTo({ url, ca, token: process.env["CONTRACT_API_TOKEN"] ?? "" });
  }
  return openEmbedded();
}

/** Opens an embedded one. */
export function openEmbedded(): ApiUnderTest {
  const embedded = startEmbeddedApi();
  const ca = readFileSync(embedded.caFile, "utf8");
  return speakTo({ url: embedded.baseUrl, ca, token: adminUser.token }, () => embedded.close());
}

/** Connects to one that runs. @param at With its certificate as PEM. */
export function connectTo(at: {
  readonly url: string;
  readonly ca: string;
  readonly token: string;
}): ApiUnderTest {
  return speakTo(at, async () => {});
}

function speakTo(
  at: { readonly url: string; readonly ca: string; readonly token: string },
  dispose: () => Promise<void>,
): ApiUnderTest {
  const send = (method: string, path: string, more: RequestInit = {}): Promise<Response> =>
    fetch(`${at.url}${path}`, {
      method,
      tls: { ca: at.ca },
      ...more,
      headers: { authorization: `Bearer ${at.token}`, ...(more.headers as Record<string, string>) },
    });
  return {
    async ask(method, path, body, headers = {}) {
      const response = await send(method, path, {
        headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      const isJson = response.headers.get("content-type")?.includes("json") === true;
      // Sound: Json is a view for assertions, which read it by path.
      const value = (isJson ? JSON.parse(text) : text) as unknown as Json;
      return { status: response.status, headers: response.headers, body: value };
    },
    async watch(path) {
      const ended = new AbortController();
      const response = await send("GET", path, { signal: ended.signal });
      const lines = linesOf(response);
      return {
        status: response.status,
        async next() {
          const { value, done } = await lines.next();
          return done === true ? undefined : (JSON.parse(value) as Json);
        },
        close: () => ended.abort(),
      };
    },
    [Symbol.asyncDispose]: dispose,
  };
}

async function* linesOf(response: Response): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of response.body ?? []) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield line;
  }
}
