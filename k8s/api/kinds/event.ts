/** v1 Event: its names, its columns, its fields. */
import { objectOr, textOr } from "../json.ts";
import type { KindDefinition } from "../kind.ts";
import type { WorkingObject } from "../working-object.ts";
import { type FieldFault, invalidValue } from "../refusal.ts";
import { builtinKind } from "./builtin-kind.ts";
import { numberOr0, since, text, wide, worked } from "./columns.ts";
import type { KubeSchemas } from "./kube-schemas.ts";
import { selectableFields } from "./selectable-fields.ts";

const fields = selectableFields(
  [
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "type",
  ],
  {
    source: (event) => textOr(objectOr(event["source"])["component"]) || textOr(event["reportingComponent"]),
  },
);

/** The kind. */
export function eventKind(schemas: KubeSchemas): KindDefinition {
  return builtinKind(schemas, {
    names: ["events", "event", "Event"],
    definition: "core.v1.Event",
    shortNames: ["ev"],
    columns: [
      worked("Last Seen", (event, nowMs) => since(lastSeen(event), nowMs)),
      text("Type", ".type"),
      text("Reason", ".reason"),
      worked("Object", aboutText),
      wide(text("Subobject", ".involvedObject.fieldPath")),
      wide(worked("Source", sourceText)),
      worked("Message", (event) => textOr(event["message"]).trim()),
      wide(worked("First Seen", (event, nowMs) => since(firstSeen(event), nowMs))),
      wide(worked("Count", timesSeen)),
      { ...wide(text("Name", ".metadata.name")), format: "name" },
    ],
    check: placeFaults,
    more: { fields },
  });
}

function firstSeen(event: WorkingObject): unknown {
  return event["firstTimestamp"] ?? event["eventTime"];
}

function lastSeen(event: WorkingObject): unknown {
  const { lastObservedTime } = objectOr(event["series"]);
  return lastObservedTime ?? event["lastTimestamp"] ?? firstSeen(event);
}

function timesSeen(event: WorkingObject): number {
  const series = objectOr(event["series"]);
  return numberOr0(series["count"]) || numberOr0(event["count"]) || 1;
}

function aboutText(event: WorkingObject): string {
  const { kind, name } = objectOr(event["involvedObject"]);
  const what = textOr(kind).toLowerCase();
  return textOr(name) === "" ? what : `${what}/${textOr(name)}`;
}

function sourceText(event: WorkingObject): string {
  const source = objectOr(event["source"]);
  const component = textOr(source["component"]) || textOr(event["reportingComponent"]);
  const host = textOr(source["host"]) || textOr(event["reportingInstance"]);
  return host === "" ? component : `${component}, ${host}`;
}

/** An Event is in the namespace of what it is about, and in `default` when that is in none. */
function placeFaults(event: WorkingObject): readonly FieldFault[] {
  const about = textOr(objectOr(event["involvedObject"])["namespace"]);
  if (about === event.metadata.namespace || (about === "" && event.metadata.namespace === "default"))
    return [];
  return [invalidValue("involvedObject.namespace", about, "does not match event.namespace")];
}
