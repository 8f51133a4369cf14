/** Prints a command's result as the user asked: a table for people, JSON or YAML for programs. */
import { stringify } from "yaml";
import type { Console } from "./console.ts";

/** The forms of a result. */
export const outputFormats = ["table", "json", "yaml"] as const;
/** A form of a result. */
export type OutputFormat = (typeof outputFormats)[number];

/** A table: a heading a column, and its rows; a cell may hold colour codes. */
export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Prints the data, or the table made of it. */
export function printResult(
  console: Console,
  format: OutputFormat,
  data: unknown,
  table: () => string,
): void {
  switch (format) {
    case "json":
      console.out(`${JSON.stringify(data, null, 2)}\n`);
      return;
    case "yaml":
      console.out(stringify(data));
      return;
    case "table":
      console.out(table());
  }
}

/** Columns as wide as their widest cell, two spaces apart. */
export function formatTable({ head, rows }: Table): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ""))));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - width(cell))))
      .join("  ")
      .trimEnd();
  return `${all.map(line).join("\n")}\n`;
}

/** Seconds, minutes, hours or days: `45s`, `3m`, `26h`, `4d`. */
export function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

function width(cell: string): number {
  return Bun.stringWidth(cell);
}
