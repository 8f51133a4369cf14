/** admission.k8s.io/v1 AdmissionReview: the question to a webhook, and its answer. */
import { apiVersionOf } from "#host/kube/object.ts";
import { err, ok, type Result } from "#core/result.ts";
import type { User } from "../api.ts";
import { isJsonObject, type JsonObject, objectOr, textOr, textsOf } from "../json.ts";
import { userInfoOf } from "../reviews/self-subject-review.ts";
import type { WorkingObject } from "../working-object.ts";
import type { AdmissionFacts } from "./match-webhook.ts";

const apiVersion = "admission.k8s.io/v1";

/** A request in all its parts. */
export interface Admission extends AdmissionFacts {
  readonly user: User;
  /** Empty where it is not known yet. */
  readonly name: string;
  readonly isDryRun: boolean;
  readonly options: JsonObject;
}

/** What a webhook said. */
export interface Verdict {
  readonly isAllowed: boolean;
  readonly status: JsonObject;
  readonly warnings: readonly string[];
  /** Operations of a JSON patch. */
  readonly patch: unknown;
}

/** The request as a webhook sees it. @param version In which it wants objects. */
export function requestOf(admission: Admission, uid: string, version: string): JsonObject {
  const { target, subresource, name, operation, user } = admission;
  const { group, kind, resource } = target.kind;
  const part = subresource === "" ? {} : { subResource: subresource };
  const requestPart = subresource === "" ? {} : { requestSubResource: subresource };
  return {
    uid,
    kind: { group, version, kind },
    resource: { group, version, resource },
    ...part,
    requestKind: { group, version: target.version, kind },
    requestResource: { group, version: target.version, resource },
    ...requestPart,
    ...(name === "" ? {} : { name }),
    ...(target.namespace === "" ? {} : { namespace: target.namespace }),
    operation,
    userInfo: userInfoOf(user),
    object: inVersion(admission.object, group, version),
    oldObject: inVersion(admission.oldObject, group, version),
    dryRun: admission.isDryRun,
    options: admission.options,
  };
}

/** The question. */
export function reviewOf(request: JsonObject): JsonObject {
  return { kind: "AdmissionReview", apiVersion, request };
}

function inVersion(object: WorkingObject | undefined, group: string, version: string): WorkingObject | null {
  return object === undefined ? null : { ...object, apiVersion: apiVersionOf({ group, version }) };
}

/** Reads an answer. @returns why it is none, in the words of kube-apiserver. */
export function readVerdict(answer: unknown, uid: string, mayPatch: boolean): Result<Verdict> {
  const review = objectOr(answer);
  if (review["apiVersion"] !== apiVersion || review["kind"] !== "AdmissionReview") {
    const got = `${textOr(review["apiVersion"])}, Kind=${textOr(review["kind"])}`;
    return invalid(`expected webhook response of ${apiVersion}, Kind=AdmissionReview, got ${got}`);
  }
  const response = review["response"];
  if (!isJsonObject(response)) return invalid("webhook response was absent");
  if (response["uid"] !== uid) {
    return invalid(
      `expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(textOr(response["uid"]))}`,
    );
  }
  const patch = readPatch(response, mayPatch);
  if (!patch.ok) return patch;
  return ok({
    isAllowed: response["allowed"] === true,
    status: objectOr(response["status"]),
    warnings: textsOf(response["warnings"]),
    patch: patch.value,
  });
}

function readPatch(response: JsonObject, mayPatch: boolean): Result<unknown> {
  const patch = textOr(response["patch"]);
  if (patch === "") return ok(undefined);
  if (!mayPatch) return invalid("validating webhook may not return response.patch");
  const type = textOr(response["patchType"]);
  if (type === "") return invalid("webhook returned response.patch but not response.patchType");
  if (type !== "JSONPatch") return err(`unsupported patch type ${JSON.stringify(type)}`);
  try {
    return ok(JSON.parse(Buffer.from(patch, "base64").toString("utf8")) as unknown);
  } catch (error) {
    return err(
      `received undecodable patch in webhook response: ${error instanceof Error ? error.message : ""}`,
    );
  }
}

function invalid(why: string): Result<never> {
  return err(`received invalid webhook response: ${why}`);
}
