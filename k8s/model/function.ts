/** The definition of Function, lambient.dev/v1alpha1. Its type is in known-resources. */
import { functionResource } from "#host/kube/known-resources.ts";
import type { Draft } from "#host/kube/object.ts";
import { ageColumn, type DefinitionObject, definitionOf, readyColumn } from "./definition.ts";
import { templateFields } from "./revision.ts";
import { conditions, described, listOf, object, type Schema, text } from "./schema-words.ts";

const percent: Schema = { type: "integer", format: "int32", minimum: 0, maximum: 100 };
const traffic: Schema = listOf(
  object({ revision: { ...text, minLength: 1 }, percent }, ["revision", "percent"]),
  {
    maxItems: 100,
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["revision"],
  },
);

/** The definition. */
export const functionDefinition: Draft<DefinitionObject> = definitionOf({
  type: functionResource,
  shortNames: ["fn"],
  versions: ["v1alpha1"],
  refusesUnknownFields: true,
  columns: [
    { name: "URL", type: "string", jsonPath: ".status.url" },
    { name: "Latest", type: "string", jsonPath: ".status.latestReadyRevision" },
    readyColumn,
    ageColumn,
  ],
  schema: object(
    {
      spec: object(
        {
          group: described("Name of the waypoint it stands behind.", {
            type: "string",
            pattern: "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
            default: "waypoint",
          }),
          serviceAccountName: described("By default the function's name.", {
            type: "string",
            pattern: "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$",
          }),
          revision: described("By default the start of its content's digest.", {
            type: "string",
            pattern: "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
          }),
          template: object(templateFields, ["bundle"]),
          traffic: described("Shares of the revisions; by default all to the latest.", traffic),
          schedules: described(
            "When the scheduled handler is called.",
            listOf(object({ cron: { ...text, minLength: 1 } }, ["cron"]), { default: [], maxItems: 100 }),
          ),
        },
        ["template"],
      ),
      status: object({
        observedGeneration: { type: "integer", format: "int64" },
        conditions,
        latestRevision: text,
        latestReadyRevision: text,
        url: text,
        traffic,
      }),
    },
    ["spec"],
  ),
});
