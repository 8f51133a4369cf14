/** Writes to an API server as fast as it takes them, by wrk. What else is measured of it is in api.ts. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runWrk } from "./bench.ts";

/** Where writes go, and in whose name. */
export interface WrittenServer {
  readonly url: string;
  readonly token: string;
}

/** Connections that write at once. */
export const clients = 16;
/** Objects that the updates go round: of few, clients would wait for each other. */
export const updated = 256;
const writeSeconds = 5;

/** Where the bench writes. */
export const configMaps = "/api/v1/namespaces/bench/configmaps";

/** What it writes: about 1 KB. */
export function object(name: string): object {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name },
    data: { count: "COUNT", text: "x".repeat(900) },
  };
}

/** By wrk, a client that costs little: each connection sends its next write once the last is answered. */
export async function write(server: WrittenServer, method: "POST" | "PUT"): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "lambient-bench-"));
  const script = join(folder, "write.lua");
  const prefix = `w${crypto.randomUUID().slice(0, 8)}`;
  const body = JSON.stringify(object("NAME"));
  writeFileSync(
    script,
    [
      "local count = 0",
      `local head = { ["content-type"] = "application/json", ["authorization"] = "Bearer ${server.token}" }`,
      "request = function()",
      "  count = count + 1",
      `  local name = ${method === "POST" ? `"${prefix}-" .. count` : `"u" .. (count % ${updated})`}`,
      `  local body = string.gsub([==[${body}]==], "NAME", name)`,
      // Each write says something new: one that changes nothing is not stored.
      '  body = string.gsub(body, "COUNT", tostring(count))',
      `  return wrk.format("${method}", "${configMaps}${method === "PUT" ? '/" .. name' : '"'}, head, body)`,
      "end",
    ].join("\n"),
    { mode: 0o600 },
  );
  try {
    const figures = await runWrk({ url: server.url, connections: clients, seconds: writeSeconds, script });
    if (figures.errors > figures.requests / 100) {
      throw new Error(`Cannot measure writes: ${figures.errors} of ${figures.requests} failed`);
    }
    return figures.requestsPerS;
  } finally {
    if (existsSync(folder)) rmSync(folder, { recursive: true });
  }
}
