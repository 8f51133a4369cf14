/** Looks again at definitions that wait for a name, once another definition of their group changed or went. */
import type { JobContext } from "../finalize.ts";
import type { Job } from "../job-queue.ts";
import { objectOr } from "../json.ts";
import { parseRow } from "../object-store.ts";
import { updateObject } from "../update-object.ts";
import type { WorkingObject } from "../working-object.ts";
import { isEstablished } from "./accepted-names.ts";

const definitions = { group: "apiextensions.k8s.io", resource: "customresourcedefinitions" } as const;
/** Definitions are few; what is beyond waits until it is written itself. */
const rowsMax = 5000;

/** Has each of them written anew, by which its names are looked at. */
export function recheckNames(context: JobContext, group: string): Job {
  return {
    name: `names ${group}`,
    run() {
      const kind = context.registry.find(definitions.group, definitions.resource);
      if (kind === undefined) return false;
      const target = { kind, version: kind.storageVersion, namespace: "" };
      for (const row of context.store.page(definitions, { namespace: "", name: "" }, rowsMax)) {
        const definition = parseRow(row);
        const isOfGroup = objectOr(definition["spec"])["group"] === group;
        if (!isOfGroup || isEstablished(definition)) continue;
        updateObject(context, { target, name: row.name, change: asItIs, replaces: false, options: {} });
      }
      return false;
    },
  };
}

function asItIs(definition: WorkingObject): WorkingObject {
  return definition;
}
