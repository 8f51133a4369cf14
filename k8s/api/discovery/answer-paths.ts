/** Answers what is no object: discovery in both forms, version, health, OpenAPI. */
import { notAcceptable } from "../refusal.ts";
import { aggregated, aggregatedType, askedVersion } from "./aggregated.ts";
import { discover } from "./discover.ts";
import { answerWithTag } from "./entity-tag.ts";
import type { Served } from "./served-resources.ts";

/** Paths that say only that we live: open to all, as in Kubernetes. */
const healthPath = /^\/(?:healthz|livez|readyz)(?:\/ping)?$/;

/** The answer to a question for our health; undefined for any other. */
export function answerHealth(path: string, url: URL): Response | undefined {
  if (!healthPath.test(path)) return undefined;
  const isVerbose = url.searchParams.has("verbose") && !path.endsWith("/ping");
  const headers = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-cache, private" };
  const name = path.slice(1);
  return new Response(isVerbose ? `[+]ping ok\n${name} check passed\n` : "ok", { headers });
}

/** The answer to a path of discovery; undefined when nothing is there. @throws KubeError 406. */
export function answerDiscovery(served: Served, path: string, request: Request): Response | undefined {
  const accept = request.headers.get("accept") ?? "";
  const version = askedVersion(accept);
  if (version !== undefined && (path === "/api" || path === "/apis")) {
    const list = aggregated(served, path === "/api" ? "api" : "apis", version);
    return answerWithTag(request, JSON.stringify(list), {
      "content-type": aggregatedType(version),
      "cache-control": "public",
      vary: "Accept",
    });
  }
  const answered = discover(served, path);
  if (answered === undefined) return undefined;
  if (!takesJson(accept)) throw notAcceptable();
  return Response.json(answered, { headers: { "cache-control": "no-cache, private", vary: "Accept" } });
}

/** Whether a client can read JSON. */
export function takesJson(accept: string): boolean {
  return accept === "" || /\*\/\*|application\/(json|\*)/.test(accept);
}
