/** What `kubectl get crds` shows. */
import { arrayOr, objectOr, textOr, textsOf } from "../json.ts";
import type { PrinterColumn } from "../kind.ts";
import type { WorkingObject } from "../working-object.ts";
import { createdAt, isTrue, specOf, text, wide, worked } from "./columns.ts";

/** Scope, versions, creation; wide: group, kind, short names, whether it is established. */
export const definitionColumns: readonly PrinterColumn[] = [
  text("Scope", ".spec.scope"),
  worked("Versions", versionsText),
  createdAt,
  wide(text("Group", ".spec.group")),
  wide(text("Kind", ".spec.names.kind")),
  wide(
    worked("ShortNames", (definition) =>
      textsOf(objectOr(specOf(definition)["names"])["shortNames"]).join(","),
    ),
  ),
  {
    name: "Established",
    type: "boolean",
    jsonPath: "",
    priority: 1,
    cell: (definition) => isTrue(definition, "Established"),
  },
];

function versionsText(definition: WorkingObject): string {
  return arrayOr(specOf(definition)["versions"])
    .map(objectOr)
    .filter((version) => version["served"] === true)
    .map((version) => `${textOr(version["name"])}${version["storage"] === true ? "(storage)" : ""}`)
    .sort()
    .join(",");
}
