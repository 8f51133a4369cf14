/** Asking all webhooks that want to see a request: the mutating ones one after another, the validating ones together. */
import { KubeError } from "#host/kube/kube-error.ts";
import type { Result } from "#core/result.ts";
import type { ApiContext } from "../api-context.ts";
import { jsonEqual, isJsonObject, type JsonObject, objectOr, textOr } from "../json.ts";
import { jsonPatch } from "../json-patch.ts";
import { forbidden, internalCause } from "../refusal.ts";
import type { WorkingObject } from "../working-object.ts";
import { type Admission, requestOf, type Verdict } from "./admission-review.ts";
import { callWebhook } from "./call-webhook.ts";
import { conditionsHold } from "./match-condition.ts";
import { matchWebhook } from "./match-webhook.ts";
import type { Webhook } from "./webhook.ts";

/** Longest warning that is passed on, and how many characters of them. */
const warningLengthMax = 256;
const warningsLengthMax = 4096;

/** What asking came to. */
export interface Asked {
  /** As the webhooks made it. */
  readonly object: WorkingObject | undefined;
  readonly warnings: readonly string[];
}

/** Asks the mutating webhooks. @throws KubeError when one refuses, or fails and must not. */
export async function askMutating(context: ApiContext, admission: Admission): Promise<Asked> {
  const warnings: string[] = [];
  let { object } = admission;
  /** Those to be asked again, with what they left. */
  const again: (readonly [Webhook, WorkingObject | undefined])[] = [];
  const ask = async (webhook: Webhook): Promise<void> => {
    const verdict = await askOne(context, webhook, { ...admission, object }, true);
    if (verdict === undefined) return;
    warnings.push(...verdict.warnings);
    if (verdict.patch !== undefined && object !== undefined) object = patched(object, verdict.patch);
    if (webhook.isReinvoked) again.push([webhook, object]);
  };
  for (const webhook of context.webhooks.all("mutating")) await ask(webhook);
  for (const [webhook, left] of again.splice(0)) if (!jsonEqual(left, object)) await ask(webhook);
  return { object, warnings: bounded(warnings) };
}

/** Asks the validating webhooks. @throws KubeError when one refuses, or fails and must not. */
export async function askValidating(context: ApiContext, admission: Admission): Promise<Asked> {
  const verdicts = await Promise.all(
    context.webhooks.all("validating").map((webhook) => askOne(context, webhook, admission, false)),
  );
  const warnings = verdicts.flatMap((verdict) => verdict?.warnings ?? []);
  return { object: admission.object, warnings: bounded(warnings) };
}

/** @returns undefined when it does not want to see the request, or failed and may. */
async function askOne(
  context: ApiContext,
  webhook: Webhook,
  admission: Admission,
  mayPatch: boolean,
): Promise<Verdict | undefined> {
  const version = matchWebhook(context.store, webhook, admission);
  if (version === undefined) return undefined;
  const uid = context.newUid();
  const request = { ...requestOf(admission, uid, version), uid };
  if (!isWanted(webhook, admission, request)) return undefined;
  const answer: Result<Verdict> = await callWebhook(webhook, request, mayPatch);
  if (!answer.ok) {
    const why = `failed calling webhook ${JSON.stringify(webhook.name)}: ${answer.error}`;
    if (webhook.failsClosed) throw internalCause(why);
    context.log.warn("admission webhook failed and was ignored", {
      webhook: webhook.name,
      reason: answer.error,
    });
    return undefined;
  }
  if (!answer.value.isAllowed) throw denial(webhook, answer.value.status);
  return answer.value;
}

function isWanted(webhook: Webhook, admission: Admission, request: JsonObject): boolean {
  const { object, oldObject } = request;
  const outcome = conditionsHold(webhook.conditions, { object, oldObject, request });
  if (outcome.ok) return outcome.value;
  if (!webhook.failsClosed) return false;
  const name = admission.name || (admission.object?.metadata.name ?? "");
  throw forbidden(admission.target.kind, name, outcome.error);
}

function patched(object: WorkingObject, patch: unknown): WorkingObject {
  const outcome = jsonPatch(structuredClone(object), patch);
  if (!outcome.ok) throw internalCause(outcome.error);
  if (!isJsonObject(outcome.value)) throw internalCause("the patched object is none");
  // Sound as far as it is used: it is read and checked again before it is stored.
  return outcome.value as unknown as WorkingObject;
}

function denial(webhook: Webhook, status: JsonObject): KubeError {
  const denied = `admission webhook ${JSON.stringify(webhook.name)} denied the request`;
  const [message, reason] = [textOr(status["message"]), textOr(status["reason"])];
  const why = message || reason;
  const code = typeof status["code"] === "number" && status["code"] >= 400 ? status["code"] : 400;
  return new KubeError({
    apiVersion: "v1",
    kind: "Status",
    metadata: {},
    status: "Failure",
    message: why === "" ? `${denied} without explanation` : `${denied}: ${why}`,
    ...(reason === "" ? {} : { reason }),
    ...(isJsonObject(status["details"]) ? { details: objectOr(status["details"]) } : {}),
    code,
  });
}

function bounded(warnings: readonly string[]): readonly string[] {
  let left = warningsLengthMax;
  return warnings
    .map((warning) => warning.slice(0, warningLengthMax))
    .filter((warning) => (left -= warning.length) >= 0);
}
