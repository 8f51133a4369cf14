/** authentication.k8s.io/v1 TokenReview: whom a token speaks for. */
import { objectOr, textOr, textsOf } from "../json.ts";
import { badRequest } from "../refusal.ts";
import { readBody } from "../request-body.ts";
import type { ReviewHandler } from "../subresource.ts";
import { accountIssuer } from "../tokens/account-tokens.ts";
import type { Authentication } from "../tokens/authenticate-account.ts";
import { userInfoOf } from "./self-subject-review.ts";

/** Authenticates a token for the first of the audiences that it is for. */
export type AuthenticateToken = (token: string, audiences: readonly string[]) => Promise<Authentication>;

/** The review. */
export function tokenReview(authenticate: AuthenticateToken): ReviewHandler {
  return {
    group: "authentication.k8s.io",
    version: "v1",
    resource: "tokenreviews",
    kind: "TokenReview",
    namespaced: false,
    async handle({ request }) {
      const spec = objectOr(objectOr(await readBody(request))["spec"]);
      const token = textOr(spec["token"]);
      if (token === "") throw badRequest("token is required for TokenReview in authentication");
      const audiences = textsOf(spec["audiences"]);
      const found = await authenticate(token, audiences.length === 0 ? [accountIssuer] : audiences);
      const answered = {
        kind: "TokenReview",
        apiVersion: "authentication.k8s.io/v1",
        metadata: {},
        spec,
        status: statusOf(found),
      };
      return Response.json(answered, { status: 201 });
    },
  };
}

function statusOf(found: Authentication): object {
  if ("user" in found) {
    return { authenticated: true, user: userInfoOf(found.user), audiences: found.audiences };
  }
  const invalid = "invalid bearer token";
  return { user: {}, error: found.reason === undefined ? invalid : `[${invalid}, ${found.reason}]` };
}
