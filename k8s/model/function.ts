/** The definition of Function, lambient.dev/v1alpha1. Its type is in known-resources. */
import { functionResource } from "#host/kube/known-resources.ts";
import type { Draft } from "#host/kube/object.ts";
import { ageColumn, type DefinitionObject, definitionOf, readyColumn } from "./definition.ts";
import { templateFields } from "./revision.ts";
import { conditions, described, listOf, object, type Schema, text } from "./schema-words.ts";

const percent: Schema = { type: "integer", format: "int32", minimum: 0, maximum: 100 };
const traffic: Schema = listOf(
  object(
    {
      revision: described("Name of the revision, without the function's.", { ...text, minLength: 1 }),
      percent: described("Its share of the calls.", percent),
    },
    ["revision", "percent"],
  ),
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
  categories: ["all", "lambient"],
  versions: ["v1alpha1"],
  refusesUnknownFields: true,
  columns: [
    { name: "URL", type: "string", jsonPath: ".status.url" },
    readyColumn,
    {
      ...readyColumn,
      name: "Reason",
      jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
      priority: 1,
    },
    {
      name: "Revision",
      type: "string",
      jsonPath: ".status.latestReadyRevision",
      description: "The newest revision that can serve.",
    },
    {
      name: "Traffic",
      type: "string",
      jsonPath: ".status.traffic",
      description: "Shares of the revisions.",
      priority: 1,
    },
    { name: "Group", type: "string", jsonPath: ".spec.group", priority: 1 },
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
          template: described(
            "What a revision is made of; a change makes the next one.",
            object(templateFields, ["bundle"]),
          ),
          traffic: described("Shares of the revisions; by default all to the latest.", traffic),
          schedules: described(
            "When the scheduled handler is called.",
            listOf(
              object({ cron: described("When, in five fields.", { ...text, minLength: 1 }) }, ["cron"]),
              { default: [], maxItems: 100 },
            ),
          ),
        },
        ["template"],
        { description: "The function as it is wished for." },
      ),
      status: object(
        {
          observedGeneration: {
            description: "The generation that this status speaks of.",
            type: "integer",
            format: "int64",
          },
          conditions: described("Ready: whether the newest revision serves.", conditions),
          latestRevision: described("The newest revision.", text),
          latestReadyRevision: described("The newest revision that can serve.", text),
          url: described("Where it is called inside the mesh.", text),
          traffic: described("Shares that are in force.", traffic),
        },
        [],
        { description: "What became of it." },
      ),
    },
    ["spec"],
    { description: "A Function is a handler of requests that runs when it is called." },
  ),
});
