/** What is wrong with an expression, in the words of cel-go, which users of Kubernetes know. */
import type { Environment } from "@marcbachmann/cel-js";
import { isJsonObject } from "../json.ts";
import { BudgetExceeded } from "./budget.ts";

interface EngineError {
  readonly code: string;
  readonly summary: string;
  readonly range: { readonly start: number; readonly end: number };
  readonly node: unknown;
}

/** Why an expression does not compile. */
export function compileErrorText(environment: Environment, text: string, error: unknown): string {
  const known = engineError(error);
  if (known === undefined) return `ERROR: <input>:1:1: ${messageOf(error)}\n | ${text}\n | ^`;
  const [message, at] = told(environment, text, known);
  const before = text.slice(0, at).split("\n");
  const column = (before.at(-1) ?? "").length;
  const line = text.split("\n")[before.length - 1] ?? "";
  return `ERROR: <input>:${before.length}:${column + 1}: ${message}\n | ${line}\n | ${".".repeat(column)}^`;
}

/** Why a run came to no value. @throws BudgetExceeded what is no fault of the expression's values. */
export function runErrorText(error: unknown): string {
  if (error instanceof BudgetExceeded) throw error;
  const known = engineError(error);
  const summary = known?.summary ?? messageOf(error);
  const key = /^No such key: (.*)$/.exec(summary)?.[1];
  const index = /^No such key: index out of bounds, index (-?\d+)/.exec(summary)?.[1];
  if (index !== undefined) return `index out of bounds: ${index}`;
  return key === undefined ? summary : `no such key: ${key}`;
}

/** The message, and where it points. */
function told(environment: Environment, text: string, error: EngineError): readonly [string, number] {
  const { start } = error.range;
  switch (error.code) {
    case "no_such_key":
      return [`undefined field '${error.summary.replace("No such key: ", "")}'`, Math.max(start - 1, 0)];
    case "cannot_index_type":
      return [
        `type '${typeText(quoted(error.summary))}' does not support field selection`,
        Math.max(start - 1, 0),
      ];
    case "unknown_variable":
      return [
        `undeclared reference to '${error.summary.replace("Unknown variable: ", "")}' (in container '')`,
        start,
      ];
    case "no_such_overload":
      return overload(text, error);
    case "no_matching_overload":
      return call(environment, text, error);
    default:
      return [error.code.includes("type") ? error.summary : `Syntax error: ${error.summary}`, start];
  }
}

/** `no such overload: int + string`. */
function overload(text: string, error: EngineError): readonly [string, number] {
  const match = /^no such overload: (.+) (==|!=|<=|>=|<|>|\+|-|\*|\/|%|in) (.+)$/.exec(error.summary);
  if (match === null) return [error.summary, error.range.start];
  const [, left = "", operator = "", right = ""] = match;
  const name = operator === "in" ? "@in" : `_${operator}_`;
  const message = `found no matching overload for '${name}' applied to '(${typeText(left)}, ${typeText(right)})'`;
  return [message, operatorAt(text, operator, error)];
}

function operatorAt(text: string, operator: string, error: EngineError): number {
  const args: unknown = isJsonObject(error.node) ? error.node["args"] : undefined;
  const left: unknown = Array.isArray(args) ? args[0] : undefined;
  const end = isJsonObject(left) && typeof left["end"] === "number" ? left["end"] : error.range.start;
  const at = text.indexOf(operator, end);
  return at < 0 ? error.range.start : at;
}

/** `found no matching overload for 'string.foo(int)'`. */
function call(environment: Environment, text: string, error: EngineError): readonly [string, number] {
  const match = /'(?:(.+)\.)?(\w+)\((.*)\)'$/.exec(error.summary);
  if (match === null) return [error.summary, error.range.start];
  const [, receiver, name = "", args = ""] = match;
  const at = Math.max(text.indexOf(`${name}(`, error.range.start) + name.length, 0);
  const isKnown = environment.getDefinitions().functions.some((one) => one.name === name);
  if (!isKnown) return [`undeclared reference to '${name}' (in container '')`, at];
  const types = `(${splitTypes(args).map(typeText).join(", ")})`;
  const applied =
    receiver === undefined ? types : `${typeText(receiverType(error.node) ?? receiver)}.${types}`;
  return [`found no matching overload for '${name}' applied to '${applied}'`, at];
}

/** The engine tells of `list`, and its tree of `list<string>`. */
function receiverType(node: unknown): string | undefined {
  const args: unknown = isJsonObject(node) ? node["args"] : undefined;
  const receiver: unknown = Array.isArray(args) ? args[1] : undefined;
  const type: unknown = isJsonObject(receiver) ? receiver["checkedType"] : undefined;
  return isJsonObject(type) && typeof type["name"] === "string" ? type["name"] : undefined;
}

function splitTypes(text: string): readonly string[] {
  return text === "" ? [] : text.split(/, (?![^<]*>)/);
}

/** The engine's name of a type as cel-go writes it. */
function typeText(name: string): string {
  return name
    .replaceAll("google.protobuf.Timestamp", "timestamp")
    .replaceAll("google.protobuf.Duration", "duration")
    .replaceAll(/\boptional</g, "optional_type<")
    .replaceAll("<", "(")
    .replaceAll(">", ")");
}

function quoted(text: string): string {
  return /'(.*)'/.exec(text)?.[1] ?? text;
}

function engineError(error: unknown): EngineError | undefined {
  if (!(error instanceof Error) || !("code" in error) || !("summary" in error) || !("range" in error))
    return undefined;
  const { code, summary, range } = error;
  if (typeof code !== "string" || typeof summary !== "string") return undefined;
  const start = isJsonObject(range) && typeof range["start"] === "number" ? range["start"] : 0;
  return { code, summary, range: { start, end: start }, node: "node" in error ? error.node : undefined };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
