/** How a deletion is to be done, from its query and its body, which may be a DeleteOptions. */
import type { DeleteOptions } from "#host/kube/kube-client.ts";
import { isJsonObject, type JsonObject, objectOr, textOr } from "./json.ts";
import { badRequest, invalidValue, unsupportedValue } from "./refusal.ts";
import { isTrue } from "./request-path.ts";
import { invalidOptions, isDryDeletion } from "./write-query.ts";

const policies = ["Foreground", "Background", "Orphan"] as const;

/** Options of a deletion, from the query and the body, which may be a DeleteOptions. @throws KubeError 400. */
export function deleteOptions(
  query: URLSearchParams,
  body: unknown,
): DeleteOptions & { readonly dryRun: boolean } {
  const options = objectOr(body);
  if (body !== undefined && !isJsonObject(body))
    throw badRequest("the body of a DELETE must be DeleteOptions");
  const preconditions = objectOr(options["preconditions"]);
  const policy = propagationPolicy(query, options);
  const grace = options["gracePeriodSeconds"] ?? numberIn(query, "gracePeriodSeconds");
  const uid = textOr(preconditions["uid"]);
  const resourceVersion = textOr(preconditions["resourceVersion"]);
  return {
    dryRun: isDryDeletion(query, options),
    ...(policy === undefined ? {} : { propagationPolicy: policy }),
    ...(typeof grace === "number" ? { gracePeriodSeconds: grace } : {}),
    ...(uid === "" ? {} : { uid }),
    ...(resourceVersion === "" ? {} : { resourceVersion }),
  };
}

function propagationPolicy(query: URLSearchParams, options: JsonObject): DeleteOptions["propagationPolicy"] {
  const policy = textOr(options["propagationPolicy"]) || (query.get("propagationPolicy") ?? "");
  const found = policies.find((name) => name === policy);
  const orphans = orphansIn(query, options);
  if (policy !== "" && orphans !== undefined) {
    const why = "orphanDependents and deletionPropagation cannot be both set";
    throw invalidOptions("DeleteOptions", [invalidValue("propagationPolicy", policy, why)]);
  }
  if (policy !== "" && found === undefined) {
    const fault = unsupportedValue("propagationPolicy", policy, [...policies, "nil"]);
    throw invalidOptions("DeleteOptions", [fault]);
  }
  if (orphans === undefined) return found;
  return orphans ? "Orphan" : "Background";
}

/** The older way of saying the policy. */
function orphansIn(query: URLSearchParams, options: JsonObject): boolean | undefined {
  const asked = options["orphanDependents"];
  if (typeof asked === "boolean") return asked;
  const text = query.get("orphanDependents");
  return text === null ? undefined : isTrue(text);
}

/** A number that may be negative; undefined when it is not there. */
function numberIn(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name) ?? "";
  if (text === "") return undefined;
  if (!/^-?\d{1,15}$/.test(text))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}
