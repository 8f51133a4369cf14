/** v1 Event: its names and its columns. */
import { builtinKind } from "./builtin-kind.ts";
import { text } from "./columns.ts";
import { openSchema } from "./open-schema.ts";
import type { KindDefinition } from "../kind.ts";

/** The kind. */
export const eventKind: KindDefinition = builtinKind({
  names: ["events", "event", "Event"],
  shortNames: ["ev"],
  schema: openSchema,
  columns: [text("Type", ".type"), text("Reason", ".reason"), text("Message", ".message")],
});
