/** Every definition that an embedded mesh brings, in the order in which they are installed. */
import type { Draft } from "#host/kube/object.ts";
import { authorizationPolicyDefinition } from "./authorization-policy.ts";
import type { DefinitionObject } from "./definition.ts";
import { functionDefinition } from "./function.ts";
import { gatewayClassDefinition, gatewayDefinition } from "./gateway.ts";
import { httpRouteDefinition } from "./http-route.ts";
import { peerAuthenticationDefinition } from "./peer-authentication.ts";
import { revisionDefinition } from "./revision.ts";

/** See the file's opening. */
export const lambientDefinitions: readonly Draft<DefinitionObject>[] = [
  functionDefinition,
  revisionDefinition,
  authorizationPolicyDefinition,
  peerAuthenticationDefinition,
  gatewayClassDefinition,
  gatewayDefinition,
  httpRouteDefinition,
];
