/** Objects as a Table (meta.k8s.io/v1): what `kubectl get` prints, from the kinds' printer columns. */
import { type JsonObject, objectOr } from "./json.ts";
import { findByPath, parseJsonPath } from "./json-path.ts";
import { humanDuration } from "./human-duration.ts";
import { findVersion, type KindDefinition, type PrinterColumn } from "./kind.ts";
import { parseRow } from "./object-store.ts";
import type { ListPage } from "./read-objects.ts";
import type { WorkingObject } from "./working-object.ts";

/** How much of each object a row carries. */
export type RowObject = "None" | "Metadata" | "Object";

const nameColumn = {
  name: "Name",
  type: "string",
  format: "name",
  description: "Name of the object",
  priority: 0,
};
const ageColumn: PrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

/** Whose columns a Table has. */
export interface TableTarget {
  readonly kind: Pick<KindDefinition, "versions" | "isCustom">;
  readonly version: string;
}

/** A list as a Table. */
export function tableOf(
  target: TableTarget,
  page: ListPage,
  options: { readonly nowMs: number; readonly rowObject: RowObject },
): unknown {
  const columns = columnsOf(target);
  const rowConditions = findVersion(target.kind, target.version)?.rowConditions;
  // Events put their name last.
  const named = columns.some(({ name }) => name === "Name");
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: {
      resourceVersion: String(page.version),
      ...(page.continueToken === undefined ? {} : { continue: page.continueToken }),
      ...(page.remaining === undefined ? {} : { remainingItemCount: page.remaining }),
    },
    columnDefinitions: [
      ...(named ? [] : [nameColumn]),
      ...columns.map((column) => definitionOf(column, target.kind.isCustom)),
    ],
    rows: page.texts.map((text) => {
      const object = parseRow({ text });
      const cells = columns.map((column) =>
        cellOf(column, object, { nowMs: options.nowMs, isCustom: target.kind.isCustom }),
      );
      const all = named ? cells : [object.metadata.name, ...cells];
      const conditions = rowConditions?.(object) ?? [];
      return {
        cells: all,
        ...(conditions.length === 0 ? {} : { conditions }),
        ...rowObject(object, options.rowObject),
      };
    }),
  };
}

function columnsOf(target: TableTarget): readonly PrinterColumn[] {
  const columns = findVersion(target.kind, target.version)?.columns ?? [];
  return columns.length > 0 ? columns : [ageColumn];
}

function definitionOf(column: PrinterColumn, isCustom: boolean): unknown {
  const { name, type, format = "", description = "", priority = 0, cell } = column;
  // Ages are sent as text: the client cannot know our clock. Columns of defined kinds keep the type they declare.
  const isAge = type === "date" && cell === undefined && !isCustom;
  return { name, type: isAge ? "string" : type, format, description, priority };
}

function cellOf(
  column: PrinterColumn,
  object: WorkingObject,
  { nowMs, isCustom }: { readonly nowMs: number; readonly isCustom: boolean },
): unknown {
  if (column.cell !== undefined) return column.cell(object, nowMs);
  const path = parseJsonPath(column.jsonPath);
  // Of several values the first is shown, as it is there.
  const [value] = path.ok ? findByPath(object, path.value) : [];
  if (value === undefined || value === null) return column.type === "string" && !isCustom ? "" : null;
  return valueCell(column.type, value, nowMs);
}

function valueCell(type: string, value: unknown, nowMs: number): unknown {
  switch (type) {
    case "string":
      return textOf(value);
    case "date":
      return ageText(value, nowMs);
    case "integer":
      return typeof value === "number" ? Math.trunc(value) : null;
    case "boolean":
      return typeof value === "boolean" ? value : null;
    default:
      return typeof value === "number" ? value : null;
  }
}

function ageText(value: unknown, nowMs: number): string {
  if (value === "") return "<unknown>";
  const atMs = Date.parse(typeof value === "string" ? value : "");
  return Number.isNaN(atMs) ? "<invalid>" : humanDuration((nowMs - atMs) / 1000);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function rowObject(object: WorkingObject, which: RowObject): JsonObject {
  switch (which) {
    case "None":
      return {};
    case "Object":
      return { object };
    case "Metadata": {
      const { metadata } = object;
      return { object: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata } };
    }
  }
}

/** How many entries an object's field has: for columns that count. */
export function countOf(object: WorkingObject, ...fields: readonly string[]): number {
  return fields.reduce((sum, field) => sum + Object.keys(objectOr(object[field])).length, 0);
}
