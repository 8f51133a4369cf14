/** authentication.k8s.io/v1 SelfSubjectReview: who am I. */
import type { User } from "../api.ts";
import type { JsonObject } from "../json.ts";
import type { ReviewHandler } from "../subresource.ts";
import { timestamp } from "../write-context.ts";

/** The review. */
export const selfSubjectReview: ReviewHandler = {
  group: "authentication.k8s.io",
  version: "v1",
  resource: "selfsubjectreviews",
  kind: "SelfSubjectReview",
  namespaced: false,
  handle({ user, context }) {
    const answered = {
      kind: "SelfSubjectReview",
      apiVersion: "authentication.k8s.io/v1",
      metadata: { creationTimestamp: timestamp(context.nowMs()) },
      status: { userInfo: userInfoOf(user) },
    };
    return Promise.resolve(Response.json(answered, { status: 201 }));
  },
};

/** A user as reviews and webhooks show them. */
export function userInfoOf({ name, uid, groups, extra }: User): JsonObject {
  return {
    username: name,
    ...(uid === undefined ? {} : { uid }),
    groups,
    ...(extra === undefined ? {} : { extra }),
  };
}
