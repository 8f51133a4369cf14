/** `serviceaccounts/token`: a signed token for an account, ending with its time or with what it is bound to. */
import { nodeUser } from "../authorization/program-grants.ts";
import { isJsonObject, type JsonObject, objectOr, textOr, textsOf } from "../json.ts";
import { type ObjectStore, parseRow } from "../object-store.ts";
import { badRequest, conflict, forbidden, invalid, invalidValue, notFound } from "../refusal.ts";
import { readBody } from "../request-body.ts";
import type { SubresourceHandler, SubresourceRequest } from "../subresource.ts";
import type { WorkingObject } from "../working-object.ts";
import { timestamp } from "../write-context.ts";
import { type AccountClaims, type AccountTokens, accountIssuer, type NamedObject } from "./account-tokens.ts";

const group = "authentication.k8s.io";
const kind = { group, kind: "TokenRequest" } as const;
const defaultSeconds = 3600;
const shortestSeconds = 600;
const longestSeconds = 2 ** 32;

/** The subresource. */
export function tokenRequestHandler(tokens: AccountTokens): SubresourceHandler {
  return {
    group: "",
    resource: "serviceaccounts",
    subresource: "token",
    verbs: ["create"],
    kind: { group, version: "v1", kind: "TokenRequest" },
    handle: (asked) => issue(tokens, asked),
  };
}

async function issue(tokens: AccountTokens, asked: SubresourceRequest): Promise<Response> {
  const { object, context, target } = asked;
  const body = objectOr(await readBody(asked.request));
  checkName(body, object.metadata.name);
  const spec = objectOr(body["spec"]);
  const expirationSeconds = secondsOf(spec["expirationSeconds"]);
  const audiences = textsOf(spec["audiences"]);
  const reference = isJsonObject(spec["boundObjectRef"]) ? spec["boundObjectRef"] : undefined;
  checkNode(asked, reference);
  const bound = reference === undefined ? {} : boundOf(context.store, object, reference);
  const { name, uid } = object.metadata;
  const nowMs = context.nowMs();
  const terms = {
    audiences: audiences.length === 0 ? [accountIssuer] : audiences,
    nowSeconds: Math.floor(nowMs / 1000),
    expirationSeconds,
    id: context.newUid(),
  };
  const token = await tokens.sign({ namespace: target.namespace, account: { name, uid }, ...bound }, terms);
  const answered = {
    kind: "TokenRequest",
    apiVersion: `${group}/v1`,
    metadata: { name, namespace: target.namespace, uid, creationTimestamp: timestamp(nowMs) },
    spec: { audiences: terms.audiences, expirationSeconds, boundObjectRef: reference ?? null },
    status: { token, expirationTimestamp: timestamp(nowMs + expirationSeconds * 1000) },
  };
  return Response.json(answered, { status: 201 });
}

function checkName(body: JsonObject, account: string): void {
  const name = textOr(objectOr(body["metadata"])["name"]);
  if (name === "" || name === account) return;
  const fault = invalidValue("metadata.name", name, "must match the service account name if specified");
  throw invalid(kind, account, [fault]);
}

function secondsOf(value: unknown): number {
  const seconds = value ?? defaultSeconds;
  const field = "spec.expirationSeconds";
  if (typeof seconds !== "number" || seconds < shortestSeconds) {
    const why = "may not specify a duration less than 10 minutes";
    throw invalid(kind, "", [invalidValue(field, seconds, why)]);
  }
  if (seconds > longestSeconds) {
    const why = "may not specify a duration larger than 2^32 seconds";
    throw invalid(kind, "", [invalidValue(field, seconds, why)]);
  }
  return Math.floor(seconds);
}

/** A node speaks for its Pods only: the token ends with the Pod. */
function checkNode({ user, target, object }: SubresourceRequest, reference: JsonObject | undefined): void {
  if (user.name !== nodeUser || reference?.["kind"] === "Pod") return;
  throw forbidden(target.kind, object.metadata.name, "node requested token not bound to a pod");
}

const boundKinds: Readonly<Record<string, string>> = { Pod: "pods", Secret: "secrets", Node: "nodes" };

function boundOf(
  store: ObjectStore,
  account: WorkingObject,
  reference: JsonObject,
): Pick<AccountClaims, "pod" | "secret" | "node"> {
  const bound = textOr(reference["kind"]);
  const version = textOr(reference["apiVersion"]);
  const resource = version === "v1" && Object.hasOwn(boundKinds, bound) ? boundKinds[bound] : undefined;
  if (resource === undefined) {
    throw badRequest(`cannot bind token to object of type ${typeText(version)}, Kind=${bound}`);
  }
  const name = textOr(reference["name"]);
  if (name === "") throw badRequest("Name parameter required.");
  const namespace = resource === "nodes" ? "" : (account.metadata.namespace ?? "");
  const row = store.read({ group: "", resource, namespace, name });
  if (row === undefined) throw notFound({ group: "", resource }, name);
  const wanted = textOr(reference["uid"]);
  if (wanted !== "" && wanted !== row.uid) {
    const why = `the UID in the bound object reference (${wanted}) does not match the UID in record. The object might have been deleted and then recreated`;
    throw conflict({ group: "", resource: bound }, name, why);
  }
  const named = { name, uid: row.uid };
  if (bound === "Secret") return { secret: named };
  if (bound === "Node") return { node: named };
  return { pod: named, ...nodeOfPod(store, account, parseRow(row)) };
}

function typeText(version: string): string {
  return version.includes("/") ? version : `/${version}`;
}

function nodeOfPod(
  store: ObjectStore,
  account: WorkingObject,
  pod: WorkingObject,
): { readonly node?: NamedObject } {
  const spec = objectOr(pod["spec"]);
  const { name } = account.metadata;
  if ((textOr(spec["serviceAccountName"]) || "default") !== name) {
    throw badRequest(
      `cannot bind token for serviceaccount ${JSON.stringify(name)} to pod running with different serviceaccount name.`,
    );
  }
  const node = textOr(spec["nodeName"]);
  if (node === "") return {};
  const row = store.read({ group: "", resource: "nodes", namespace: "", name: node });
  return row === undefined ? {} : { node: { name: node, uid: row.uid } };
}
