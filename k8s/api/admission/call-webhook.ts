/** Asking one webhook over HTTPS, bounded in time and size. What its answer means for the request is decided elsewhere. */
import { err, ok, type Result } from "#core/result.ts";
import { readVerdict, reviewOf, type Verdict } from "./admission-review.ts";
import type { JsonObject } from "../json.ts";
import type { Webhook } from "./webhook.ts";

/** Largest answer that is read. */
const answerBytesMax = 3 << 20;

/** Asks. @returns why there is no answer, in the words of kube-apiserver. */
export async function callWebhook(
  webhook: Webhook,
  request: JsonObject & { readonly uid: string },
  mayPatch: boolean,
): Promise<Result<Verdict>> {
  const answer = await post(webhook, reviewOf(request));
  if (!answer.ok) return err(`failed to call webhook: ${answer.error}`);
  return readVerdict(answer.value, request.uid, mayPatch);
}

async function post(webhook: Webhook, review: JsonObject): Promise<Result<unknown>> {
  const { address, timeoutSeconds, caBundle } = webhook;
  const url = withTimeout(address.url, timeoutSeconds);
  if (address.kind === "service") {
    // Services' addresses are the node's; we stand outside it.
    const why = `service "${address.name}" in namespace "${address.namespace}" cannot be reached from the control plane; give clientConfig.url instead`;
    return err(`Post ${JSON.stringify(url)}: ${why}`);
  }
  try {
    const response = await fetch(url, {
      method: "POST",
      redirect: "manual",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify(review),
      signal: AbortSignal.timeout(timeoutSeconds * 1000),
      ...(caBundle === "" ? {} : { tls: { ca: caBundle } }),
    });
    const text = await readText(response);
    return text.ok ? answerOf(response.status, text.value) : text;
  } catch (error) {
    return err(`Post ${JSON.stringify(url)}: ${reasonOf(error)}`);
  }
}

function withTimeout(url: string, seconds: number): string {
  return `${url}${url.includes("?") ? "&" : "?"}timeout=${seconds}s`;
}

async function readText(response: Response): Promise<Result<string>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > answerBytesMax) return err(`the answer is longer than ${answerBytesMax} bytes`);
    chunks.push(chunk);
  }
  return ok(Buffer.concat(chunks).toString("utf8"));
}

function answerOf(status: number, text: string): Result<unknown> {
  if (status === 404) return err("the server could not find the requested resource");
  if (status >= 500) {
    const shown = JSON.stringify(text.slice(0, 1024));
    return err(`an error on the server (${shown}) has prevented the request from succeeding`);
  }
  if (status < 200 || status > 299) return err(`the server responded with the status code ${status}`);
  try {
    return ok(JSON.parse(text) as unknown);
  } catch {
    return err("couldn't get version/kind; json parse error: the answer is not JSON");
  }
}

/** What went wrong on the way, as Go's clients say it where they and we have a word for it. */
function reasonOf(error: unknown): string {
  const name = error instanceof Error ? error.name : "";
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (name === "TimeoutError") return "context deadline exceeded";
  if (/ConnectionRefused|ECONNREFUSED/.test(code)) return "connect: connection refused";
  if (/CERT|SELF_SIGNED|VERIFY/.test(code)) return `tls: failed to verify certificate: ${code}`;
  return error instanceof Error ? error.message : String(error);
}
