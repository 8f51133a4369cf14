/** Admission webhooks as values, read from their configurations. What they match and how they are called is decided elsewhere. */
import { arrayOr, isJsonObject, type JsonObject, objectOr, textOr, textsOf } from "../json.ts";
import { type LabelSelector } from "../label-selector.ts";
import { selectorOf } from "../selector-object.ts";
import type { WorkingObject } from "../working-object.ts";
import { type Condition, readCondition } from "./match-condition.ts";

/** Which requests a webhook wants to see. */
export interface WebhookRule {
  readonly operations: readonly string[];
  readonly apiGroups: readonly string[];
  readonly apiVersions: readonly string[];
  readonly resources: readonly string[];
  readonly scope: string;
}

/** Where it is asked. */
export type WebhookAddress =
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "service"; readonly namespace: string; readonly name: string; readonly url: string };

/** One webhook. */
export interface Webhook {
  readonly name: string;
  readonly rules: readonly WebhookRule[];
  readonly failsClosed: boolean;
  /** Whether a rule for one version of a kind is for all of them. */
  readonly matchesEquivalent: boolean;
  readonly namespaceSelector: LabelSelector;
  readonly objectSelector: LabelSelector;
  readonly conditions: readonly Condition[];
  readonly timeoutSeconds: number;
  /** Whether a mutating webhook is asked again when others changed the object after it. */
  readonly isReinvoked: boolean;
  readonly address: WebhookAddress;
  /** PEM; empty: what the machine trusts. */
  readonly caBundle: string;
}

const defaultTimeoutSeconds = 10;
const longestTimeoutSeconds = 30;

/** The webhooks of a configuration, in its order. */
export function webhooksOf(configuration: WorkingObject): readonly Webhook[] {
  return arrayOr(configuration["webhooks"]).map(objectOr).map(readWebhook);
}

function readWebhook(webhook: JsonObject): Webhook {
  const { timeoutSeconds } = webhook;
  const client = objectOr(webhook["clientConfig"]);
  return {
    name: textOr(webhook["name"]),
    rules: arrayOr(webhook["rules"]).map(objectOr).map(readRule),
    failsClosed: webhook["failurePolicy"] !== "Ignore",
    matchesEquivalent: webhook["matchPolicy"] !== "Exact",
    namespaceSelector: selectorOf(webhook["namespaceSelector"]),
    objectSelector: selectorOf(webhook["objectSelector"]),
    conditions: arrayOr(webhook["matchConditions"]).map(objectOr).map(readCondition),
    timeoutSeconds: Math.min(
      typeof timeoutSeconds === "number" ? timeoutSeconds : defaultTimeoutSeconds,
      longestTimeoutSeconds,
    ),
    isReinvoked: webhook["reinvocationPolicy"] === "IfNeeded",
    address: addressOf(client),
    caBundle: Buffer.from(textOr(client["caBundle"]), "base64").toString("utf8"),
  };
}

function readRule(rule: JsonObject): WebhookRule {
  return {
    operations: textsOf(rule["operations"]),
    apiGroups: textsOf(rule["apiGroups"]),
    apiVersions: textsOf(rule["apiVersions"]),
    resources: textsOf(rule["resources"]),
    scope: textOr(rule["scope"]) || "*",
  };
}

function addressOf(client: JsonObject): WebhookAddress {
  const { service } = client;
  if (!isJsonObject(service)) return { kind: "url", url: textOr(client["url"]) };
  const [namespace, name] = [textOr(service["namespace"]), textOr(service["name"])];
  const path = textOr(service["path"]) || "/";
  const port = typeof service["port"] === "number" ? service["port"] : 443;
  const url = `https://${name}.${namespace}.svc:${port}${path}`;
  return { kind: "service", namespace, name, url };
}
