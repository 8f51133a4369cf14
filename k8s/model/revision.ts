/** The definition of Revision, lambient.dev/v1alpha1, and the schema of what a revision is made of. Its type is in known-resources. */
import { defaultLimits, defaultScale } from "#core/release/function-spec.ts";
import { revisionResource } from "#host/kube/known-resources.ts";
import type { Draft } from "#host/kube/object.ts";
import { ageColumn, type DefinitionObject, definitionOf, readyColumn } from "./definition.ts";
import { conditions, described, listOf, mapOf, object, oneOf, type Schema, text } from "./schema-words.ts";

/** A name as DNS takes it. */
const label: Schema = { type: "string", pattern: "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" };
const variable: Schema = { type: "string", minLength: 1, maxLength: 253 };

function bounded(description: string, bounds: { min: number; max: number; byDefault: number }): Schema {
  const { min, max, byDefault } = bounds;
  return { description, type: "integer", format: "int64", minimum: min, maximum: max, default: byDefault };
}

/** Fields of a revision's content, which Function and Revision share. */
export const templateFields: Readonly<Record<string, Schema>> = {
  bundle: described("Digest of the bundle.", { type: "string", pattern: "^sha256:[0-9a-f]{64}$" }),
  engine: described("What runs it.", { ...oneOf("bun"), default: "bun" }),
  env: described("Variables in env.", mapOf(text, { default: {} })),
  secrets: described(
    "Keys of Secrets in env.",
    mapOf(
      object({ secret: described("Name of the Secret.", variable), key: described("Key in it.", variable) }, [
        "secret",
        "key",
      ]),
      { default: {} },
    ),
  ),
  bindings: described(
    "Other functions in env.",
    listOf(object({ name: variable, function: label, namespace: label }, ["name", "function"]), {
      default: [],
      maxItems: 100,
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["name"],
    }),
  ),
  scale: object(
    {
      concurrency: bounded("Requests in flight an instance takes before another starts.", {
        min: 1,
        max: 10_000,
        byDefault: defaultScale.concurrency,
      }),
      max: bounded("Most instances at once.", { min: 1, max: 1000, byDefault: defaultScale.max }),
      idleMs: bounded("Milliseconds without a request after which an instance stops.", {
        min: 0,
        max: 86_400_000,
        byDefault: defaultScale.idleMs,
      }),
      activationTimeoutMs: bounded("Milliseconds a call waits for an instance.", {
        min: 1,
        max: 600_000,
        byDefault: defaultScale.activationTimeoutMs,
      }),
    },
    [],
    { default: {}, description: "How many instances there are." },
  ),
  limits: object(
    {
      memoryMb: bounded("Resident memory in MiB.", {
        min: 32,
        max: 65_536,
        byDefault: defaultLimits.memoryMb,
      }),
    },
    [],
    { default: {}, description: "What an instance may use." },
  ),
  // Structural schemas know no "string or list". Without a type, `not maxItems 0` holds for lists that are not empty only.
  egress: {
    description: "ALLOW_ANY, or the destinations outside the mesh it may reach.",
    "x-kubernetes-preserve-unknown-fields": true,
    default: "ALLOW_ANY",
    anyOf: [{ enum: ["ALLOW_ANY", []] }, { not: { maxItems: 0 }, maxItems: 256 }],
  },
};

/** The definition. */
export const revisionDefinition: Draft<DefinitionObject> = definitionOf({
  type: revisionResource,
  shortNames: ["rev"],
  categories: ["lambient"],
  versions: ["v1alpha1"],
  refusesUnknownFields: true,
  columns: [
    { name: "Function", type: "string", jsonPath: ".spec.function" },
    readyColumn,
    {
      ...readyColumn,
      name: "Reason",
      jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
      priority: 1,
    },
    { name: "Bundle", type: "string", jsonPath: ".spec.bundle", priority: 1 },
    ageColumn,
  ],
  schema: object(
    {
      spec: object(
        {
          ...templateFields,
          function: described("The function it is a revision of.", label),
          serviceAccountName: described("The account, and so the identity, it runs as.", {
            ...text,
            minLength: 1,
          }),
          group: described("Name of the waypoint it stands behind.", label),
          signature: described("The control plane's signature of all this.", text),
        },
        ["bundle", "function", "serviceAccountName", "group", "signature"],
        {
          description: "What runs; it never changes.",
          "x-kubernetes-validations": [
            { rule: "self == oldSelf", message: "a revision never changes; make another one" },
          ],
        },
      ),
      status: object(
        {
          observedGeneration: { type: "integer", format: "int64" },
          conditions: described("Ready: whether it was loaded once, and can serve.", conditions),
        },
        [],
        { description: "What became of it." },
      ),
    },
    ["spec"],
    { description: "A Revision is one version of a Function, made by the system." },
  ),
});
