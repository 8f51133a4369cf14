/** Functions on texts that Kubernetes adds to CEL: formats, regular expressions, and those of the strings library that the engine lacks. */
import type { Environment } from "@marcbachmann/cel-js";
import { BudgetExceeded } from "./budget.ts";

/** Regular expressions are written by who writes definitions; texts longer than this are not searched. */
const searchedLengthMax = 256 * 1024;

/** Registers them. */
export function registerTextFunctions(registry: Environment): void {
  registry.registerFunction("string.charAt(int): string", (text: string, index: bigint) => {
    const characters = Array.from(text);
    if (index < 0n || index > BigInt(characters.length)) throw new Error(`index out of range: ${index}`);
    return characters[Number(index)] ?? "";
  });
  registry.registerFunction(
    "string.replace(string, string): string",
    (text: string, from: string, to: string) => text.replaceAll(from, () => to),
  );
  registry.registerFunction(
    "string.replace(string, string, int): string",
    (...[text, from, to, limit]: [string, string, string, bigint]) =>
      replaceSome(text, from, to, Number(limit)),
  );
  registry.registerFunction("string.find(string): string", (text: string, pattern: string) => {
    return expression(text, pattern).exec(text)?.[0] ?? "";
  });
  registry.registerFunction("string.findAll(string): list<string>", (text: string, pattern: string) =>
    findAll(text, pattern, -1),
  );
  registry.registerFunction(
    "string.findAll(string, int): list<string>",
    (text: string, pattern: string, limit: bigint) => findAll(text, pattern, Number(limit)),
  );
  registry.registerFunction("string.format(list<dyn>): string", (text: string, args: readonly unknown[]) =>
    format(text, args),
  );
}

function replaceSome(...[text, from, to, limit]: [string, string, string, number]): string {
  if (limit < 0) return text.replaceAll(from, () => to);
  let left = limit;
  return text.replaceAll(from, (found) => (left-- > 0 ? to : found));
}

function findAll(text: string, pattern: string, limit: number): readonly string[] {
  const found: string[] = [];
  for (const [match] of text.matchAll(expression(text, pattern))) {
    if (limit >= 0 && found.length >= limit) break;
    found.push(match);
  }
  return found;
}

function expression(text: string, pattern: string): RegExp {
  if (text.length > searchedLengthMax) throw new BudgetExceeded("the text is too long to be searched");
  try {
    return new RegExp(pattern, "gu");
  } catch {
    throw new Error(`Illegal regex: ${pattern}`);
  }
}

/** `"%s has %d".format(…)`. */
function format(text: string, args: readonly unknown[]): string {
  let next = 0;
  return text.replaceAll(/%(?:\.(\d+))?([sdfexXob%])/g, (_, digits: string | undefined, verb: string) => {
    if (verb === "%") return "%";
    if (next >= args.length) throw new Error(`index ${next} out of range`);
    return formatOne(args[next++], verb, digits === undefined ? undefined : Number(digits));
  });
}

function formatOne(value: unknown, verb: string, digits: number | undefined): string {
  switch (verb) {
    case "d":
      return String(value);
    case "f":
      return Number(value).toFixed(Math.min(digits ?? 6, 100));
    case "e":
      return Number(value).toExponential(Math.min(digits ?? 6, 100));
    case "b":
      return whole(typeof value === "boolean" ? Number(value) : value).toString(2);
    case "o":
      return whole(value).toString(8);
    case "x":
      return hexOf(value);
    case "X":
      return hexOf(value).toUpperCase();
    default:
      return textOf(value);
  }
}

function whole(value: unknown): bigint {
  return BigInt(String(value));
}

function hexOf(value: unknown): string {
  return typeof value === "string" ? Buffer.from(value).toString("hex") : whole(value).toString(16);
}

/** A value as `%s` shows it. */
function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Date) return value.toISOString().replace(".000Z", "Z");
  if (Array.isArray(value)) return `[${value.map(textOf).join(", ")}]`;
  if (value instanceof Map) return entriesText([...value]);
  // Map literals are plain objects.
  if (typeof value === "object" && value !== null && value.constructor === Object) {
    return entriesText(Object.entries(value));
  }
  return String(value);
}

function entriesText(entries: readonly (readonly [unknown, unknown])[]): string {
  return `{${entries.map(([key, one]) => `${textOf(key)}: ${textOf(one)}`).join(", ")}}`;
}
