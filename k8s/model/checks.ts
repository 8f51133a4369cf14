/** The checks beyond the schemas, by kind; a cluster has them as an admission webhook. */
import type { ObjectCheck } from "../api/kind.ts";
import { checkFunction, checkRevision } from "./check-function.ts";
import { checkPeerAuthentication } from "./check-peer-authentication.ts";
import { checkPolicy } from "./check-policy.ts";
import { checkRoute } from "./check-route.ts";

/** See the file's opening; keys are the definitions' names. */
export const lambientChecks: Readonly<Record<string, ObjectCheck>> = {
  "functions.lambient.dev": checkFunction,
  "revisions.lambient.dev": checkRevision,
  "authorizationpolicies.security.istio.io": checkPolicy,
  "peerauthentications.security.istio.io": checkPeerAuthentication,
  "httproutes.gateway.networking.k8s.io": checkRoute,
};
