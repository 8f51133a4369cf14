/** authorization.k8s.io/v1: may somebody do something, and what may I do at all. */
import type { User } from "../api.ts";
import type { Attempt } from "../authorization/attempt.ts";
import { isJsonObject, type JsonObject, objectOr, textOr, textsOf } from "../json.ts";
import { badRequest, type FieldFault, invalid, invalidValue } from "../refusal.ts";
import { readBody } from "../request-body.ts";
import type { ReviewHandler, ReviewRequest } from "../subresource.ts";

const group = "authorization.k8s.io";
const version = "v1";

/** The four reviews. */
export const accessReviews: readonly ReviewHandler[] = [
  review("SelfSubjectAccessReview", (asked, body) => decide(asked, body, asked.user)),
  review("SubjectAccessReview", (asked, body) => decide(asked, body, userOf(body))),
  {
    ...review("LocalSubjectAccessReview", (asked, body) => decide(asked, body, userOf(body))),
    namespaced: true,
  },
  review("SelfSubjectRulesReview", listRules),
];

function review(kind: string, answer: (asked: ReviewRequest, body: JsonObject) => JsonObject): ReviewHandler {
  return {
    group,
    version,
    resource: `${kind.toLowerCase()}s`,
    kind,
    namespaced: false,
    async handle(asked) {
      const body = objectOr(await readBody(asked.request));
      const { spec, status } = answer(asked, body);
      const metadata = asked.namespace === "" ? {} : { namespace: asked.namespace };
      const answered = { kind, apiVersion: `${group}/${version}`, metadata, spec, status };
      return Response.json(answered, { status: 201 });
    },
  };
}

function decide(asked: ReviewRequest, body: JsonObject, user: User): JsonObject {
  const spec = objectOr(body["spec"]);
  const faults = [...attemptFaults(spec), ...(user === asked.user ? [] : userFaults(spec))];
  const { namespace } = asked;
  if (namespace !== "" && objectOr(spec["resourceAttributes"])["namespace"] !== namespace) {
    const got = textOr(objectOr(spec["resourceAttributes"])["namespace"]);
    faults.push(invalidValue("spec.resourceAttributes.namespace", got, "must match metadata.namespace"));
  }
  if (faults.length > 0) throw invalid({ group, kind: "" }, "", faults);
  const { isAllowed, reason } = asked.context.authorizer.decide(user, attemptOf(spec));
  return { spec, status: { allowed: isAllowed, ...(reason === "" ? {} : { reason }) } };
}

function attemptFaults(spec: JsonObject): FieldFault[] {
  const given = ["resourceAttributes", "nonResourceAttributes"].filter((name) => isJsonObject(spec[name]));
  if (given.length === 1) return [];
  const why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
  return [invalidValue("spec", spec["nonResourceAttributes"] ?? null, why)];
}

function userFaults(spec: JsonObject): readonly FieldFault[] {
  if (textOr(spec["user"]) !== "" || textsOf(spec["groups"]).length > 0) return [];
  return [invalidValue("spec.user", "", "at least one of user or group must be specified")];
}

function userOf(body: JsonObject): User {
  const spec = objectOr(body["spec"]);
  return { name: textOr(spec["user"]), groups: textsOf(spec["groups"]) };
}

function attemptOf(spec: JsonObject): Attempt {
  const path = spec["nonResourceAttributes"];
  if (isJsonObject(path)) return { kind: "path", verb: textOr(path["verb"]), path: textOr(path["path"]) };
  const resource = objectOr(spec["resourceAttributes"]);
  return {
    kind: "resource",
    verb: textOr(resource["verb"]),
    group: textOr(resource["group"]),
    resource: textOr(resource["resource"]),
    subresource: textOr(resource["subresource"]),
    namespace: textOr(resource["namespace"]),
    name: textOr(resource["name"]),
  };
}

function listRules({ user, context }: ReviewRequest, body: JsonObject): JsonObject {
  const namespace = textOr(objectOr(body["spec"])["namespace"]);
  if (namespace === "") throw badRequest("no namespace on request");
  const rules = [...context.authorizer.roles.rulesFor(user, namespace)].map(({ rule }) => rule);
  const resourceRules = rules
    .filter(({ resources }) => resources.length > 0)
    .map(({ verbs, apiGroups, resources, resourceNames }) => ({
      verbs,
      apiGroups,
      resources,
      ...(resourceNames.length === 0 ? {} : { resourceNames }),
    }));
  const nonResourceRules = rules
    .filter(({ nonResourceURLs }) => nonResourceURLs.length > 0)
    .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs }));
  return { spec: {}, status: { resourceRules, nonResourceRules, incomplete: false } };
}
