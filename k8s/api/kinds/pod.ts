/** v1 Pod: its names, its columns and what the API itself decides of it. Running it is the node's matter. */
import { builtinKind } from "./builtin-kind.ts";
import { age, text } from "./columns.ts";
import { openSchema } from "./open-schema.ts";
import type { KindDefinition } from "../kind.ts";

/** The kind. */
export const podKind: KindDefinition = builtinKind({
  names: ["pods", "pod", "Pod"],
  shortNames: ["po"],
  categories: ["all"],
  schema: openSchema,
  columns: [text("Status", ".status.phase"), age],
  rules: {
    onCreate(pod) {
      pod["status"] = { phase: "Pending" };
      return [];
    },
  },
  more: { hasStatus: true, countsGeneration: true },
});
