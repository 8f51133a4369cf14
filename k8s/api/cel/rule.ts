/** One rule of `x-kubernetes-validations`: read, compiled against its schema, and what is wrong with it as a part of a definition. */
import type { Environment } from "@marcbachmann/cel-js";
import { type JsonObject, objectOr, textOr } from "../json.ts";
import { type FieldFault, invalidValue, requiredValue, unsupportedValue } from "../refusal.ts";
import { compile, type Program } from "./compile.ts";
import { fieldPathOf } from "./field-path.ts";
import type { SchemaType } from "./schema-types.ts";

/** A rule as a definition has it. */
export interface RuleText {
  readonly rule: string;
  readonly message: string;
  readonly messageExpression: string;
  readonly reason: string;
  readonly fieldPath: string;
  readonly optionalOldSelf: boolean | null;
}

/** A rule that can be run. */
export interface CompiledRule {
  readonly text: RuleText;
  readonly program: Program;
  readonly messageProgram: Program | undefined;
  /** Whether it compares with what was. */
  readonly usesOld: boolean;
  /** What was, as the rule's expressions see it. */
  readonly oldSelf: (value: unknown) => unknown;
}

/** What a rule stands on. */
export interface RulePlace {
  /** Of the engine, with the types of the schema. */
  readonly environment: Environment;
  readonly type: SchemaType;
  readonly schema: JsonObject;
  /** The nearest part of the schema within which old and new values cannot be matched; undefined: none. */
  readonly uncorrelatable: string | undefined;
}

const reasons = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/** Compiles a rule. @param field Of the rule, for faults. */
export function compileRule(
  place: RulePlace,
  rule: unknown,
  field: string,
): { readonly faults: readonly FieldFault[]; readonly compiled?: CompiledRule } {
  const text = readRule(rule);
  if (text.rule.trim() === "") return { faults: [requiredValue(`${field}.rule`, "rule is not specified")] };
  const faults: FieldFault[] = [...textFaults(text, place.schema, field)];
  const environment = variables(place, text);
  const program = compile(environment, text.rule);
  if (!program.ok) {
    faults.push(ruleFault(`${field}.rule`, text, `compilation failed: ${program.error}`));
    return { faults };
  }
  const { type } = program.value;
  if (type !== "bool")
    faults.push(ruleFault(`${field}.rule`, text, "cel expression must evaluate to a bool"));
  const usesOld = program.value.speaksOf("oldSelf");
  if (text.optionalOldSelf === true && !usesOld) {
    faults.push(
      invalidValue(`${field}.optionalOldSelf`, true, "may not be set if oldSelf is not used in rule"),
    );
  }
  if (usesOld && place.uncorrelatable !== undefined) {
    const why = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${place.uncorrelatable}`;
    faults.push(invalidValue(`${field}.rule`, text.rule, why));
  }
  const message = compileMessage(environment, text, field);
  faults.push(...message.faults);
  if (faults.length > 0) return { faults };
  const messageProgram = message.program;
  const oldSelf = text.optionalOldSelf === true ? optionalOf(place) : (value: unknown): unknown => value;
  return { faults, compiled: { text, program: program.value, messageProgram, usesOld, oldSelf } };
}

function readRule(value: unknown): RuleText {
  const rule = objectOr(value);
  return {
    rule: textOr(rule["rule"]),
    message: textOr(rule["message"]),
    messageExpression: textOr(rule["messageExpression"]),
    reason: textOr(rule["reason"]),
    fieldPath: textOr(rule["fieldPath"]),
    optionalOldSelf: typeof rule["optionalOldSelf"] === "boolean" ? rule["optionalOldSelf"] : null,
  };
}

function textFaults(text: RuleText, schema: JsonObject, field: string): readonly FieldFault[] {
  const faults: FieldFault[] = [];
  if (text.message !== "" && text.message.trim() === "") {
    faults.push(invalidValue(`${field}.message`, text.message, "message must be non-empty if specified"));
  } else if (hasBreak(text.message)) {
    faults.push(invalidValue(`${field}.message`, text.message, "must not contain line breaks"));
  } else if (hasBreak(text.rule) && text.message === "") {
    const why = "message must be specified if rule contains line breaks";
    faults.push(requiredValue(`${field}.message`, why));
  }
  if (text.reason !== "" && !reasons.includes(text.reason)) {
    faults.push(unsupportedValue(`${field}.reason`, text.reason, reasons));
  }
  if (text.fieldPath !== "" && fieldPathOf(text.fieldPath, schema) === undefined) {
    faults.push(invalidValue(`${field}.fieldPath`, text.fieldPath, "must be a valid path"));
  }
  return faults;
}

function variables({ environment, type }: RulePlace, text: RuleText): Environment {
  const old = text.optionalOldSelf === true ? `optional<${type.name}>` : type.name;
  return environment.clone().registerVariable("self", type.name).registerVariable("oldSelf", old);
}

/** The engine's optional values are a class of its own, which only its expressions make. */
function optionalOf({ environment, type }: RulePlace): (value: unknown) => unknown {
  const some = environment.clone().registerVariable("value", type.name).parse("optional.of(value)");
  const none = environment.clone().parse("optional.none()");
  return (value) => (value === undefined ? none({}) : some({ value }));
}

function compileMessage(
  environment: Environment,
  text: RuleText,
  field: string,
): { readonly faults: readonly FieldFault[]; readonly program: Program | undefined } {
  if (text.messageExpression === "") return { faults: [], program: undefined };
  const at = `${field}.messageExpression`;
  const program = compile(environment, text.messageExpression);
  if (!program.ok) {
    const why = `messageExpression compilation failed: ${program.error}`;
    return { faults: [ruleFault(at, text, why)], program: undefined };
  }
  if (program.value.type !== "string") {
    return {
      faults: [ruleFault(at, text, "messageExpression must evaluate to a string")],
      program: undefined,
    };
  }
  return { faults: [], program: program.value };
}

function hasBreak(text: string): boolean {
  return /[\n\r]/.test(text);
}

/** A fault that shows the whole rule, as Go's JSON writes it. */
function ruleFault(field: string, text: RuleText, why: string): FieldFault {
  const shown = JSON.stringify({
    Rule: text.rule,
    Message: text.message,
    MessageExpression: text.messageExpression,
    Reason: text.reason === "" ? null : text.reason,
    FieldPath: text.fieldPath,
    OptionalOldSelf: text.optionalOldSelf,
  }).replaceAll(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
  return { reason: "FieldValueInvalid", field, message: `Invalid value: ${shown}: ${why}` };
}
