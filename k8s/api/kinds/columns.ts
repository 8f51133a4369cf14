/** The columns that recur in the tables of the built-in kinds. */
import type { PrinterColumn } from "../kind.ts";

/** How long ago it was made. */
export const age: PrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

/** A column of text from a path. */
export function text(name: string, jsonPath: string): PrinterColumn {
  return { name, type: "string", jsonPath };
}
