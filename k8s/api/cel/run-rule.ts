/** Running one rule on one value, and the fault when it does not hold. */
import type { JsonObject } from "../json.ts";
import type { FieldFault } from "../refusal.ts";
import type { Budget } from "./budget.ts";
import { fieldPathOf } from "./field-path.ts";
import type { CompiledRule } from "./rule.ts";
import type { SchemaType } from "./schema-types.ts";

/** Longest message that an expression may make. */
const messageLengthMax = 5 * 1024;

/** Where a rule is run. */
export interface RuleStand {
  readonly rule: CompiledRule;
  readonly type: SchemaType | undefined;
  readonly schema: JsonObject;
}

/** Runs it. @returns the fault, when it does not hold. @throws BudgetExceeded */
export function runRule(
  { rule, type, schema }: RuleStand,
  at: { readonly value: unknown; readonly old: unknown; readonly path: string },
  budget: Budget,
): FieldFault | undefined {
  const self = type?.convert(at.value);
  const before = type?.convert(at.old);
  const variables = { self, oldSelf: rule.oldSelf(before) };
  const outcome = rule.program.run(variables, budget);
  if (!outcome.ok) {
    const kind = JSON.stringify(schema["type"] ?? "");
    const message = `Invalid value: ${kind}: ${outcome.error} evaluating rule: ${rule.text.rule.trim()}`;
    return { reason: "FieldValueInvalid", field: fieldBelow(at.path), message };
  }
  if (outcome.value === true) return undefined;
  const shown = { value: at.value, message: messageOf(rule, variables, budget) };
  return faultOf(rule, fieldBelow(at.path, fieldPathOf(rule.text.fieldPath, schema)), shown);
}

/** `<nil>` is how Kubernetes names the object itself. */
function fieldBelow(path: string, below = ""): string {
  const whole = path === "" && below.startsWith(".") ? below.slice(1) : `${path}${below}`;
  return whole === "" ? "<nil>" : whole;
}

function messageOf(rule: CompiledRule, variables: Readonly<Record<string, unknown>>, budget: Budget): string {
  const { message, rule: text } = rule.text;
  const made = rule.messageProgram?.run(variables, budget);
  if (made?.ok === true && typeof made.value === "string") {
    const trimmed = made.value.trim();
    if (trimmed !== "" && trimmed.length <= messageLengthMax && !/[\n\r]/.test(trimmed)) return trimmed;
  }
  return message === "" ? `failed rule: ${text.trim()}` : message;
}

function faultOf(
  { text }: CompiledRule,
  field: string,
  { value, message }: { readonly value: unknown; readonly message: string },
): FieldFault {
  // Of objects and lists only the message says something.
  const shown = typeof value === "object" ? "" : ` ${JSON.stringify(value)}:`;
  switch (text.reason) {
    case "FieldValueForbidden":
      return { reason: "FieldValueForbidden", field, message: `Forbidden: ${message}` };
    case "FieldValueRequired":
      return { reason: "FieldValueRequired", field, message: `Required value: ${message}` };
    case "FieldValueDuplicate":
      return {
        reason: "FieldValueDuplicate",
        field,
        message: `Duplicate value${shown.replace(/:$/, "").replace(" ", ": ")}`,
      };
    default:
      return { reason: "FieldValueInvalid", field, message: `Invalid value:${shown} ${message}` };
  }
}
