/** v1 Node: its names and its columns. */
import { builtinKind } from "./builtin-kind.ts";
import { age } from "./columns.ts";
import { openSchema } from "./open-schema.ts";
import type { KindDefinition } from "../kind.ts";

/** The kind. */
export const nodeKind: KindDefinition = builtinKind({
  names: ["nodes", "node", "Node"],
  shortNames: ["no"],
  schema: openSchema,
  columns: [age],
  more: { namespaced: false, hasStatus: true },
});
