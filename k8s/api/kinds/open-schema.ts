/** The schema of an object with a spec and a status whose fields are taken as they come. */
import type { JsonObject } from "../json.ts";

/** See the file's opening. */
export const openSchema: JsonObject = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
