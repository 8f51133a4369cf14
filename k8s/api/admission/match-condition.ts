/** Conditions of webhooks, in CEL: which of the requests that its rules match a webhook wants to see. */
import { ok, type Result } from "#core/result.ts";
import { openBaseEnvironment } from "../cel/base-environment.ts";
import { Budget, BudgetExceeded } from "../cel/budget.ts";
import { compile, type Program } from "../cel/compile.ts";
import { plainValue } from "../cel/schema-types.ts";
import { type JsonObject, textOr } from "../json.ts";

/** A condition, compiled when it is first asked. */
export interface Condition {
  readonly name: string;
  readonly expression: string;
  readonly program: () => Result<Program>;
}

/** What a condition speaks of. */
export interface ConditionFacts {
  readonly object: unknown;
  readonly oldObject: unknown;
  readonly request: JsonObject;
}

/** Whether all hold. @returns why it cannot be told, when none is false and one comes to no value. */
export function conditionsHold(conditions: readonly Condition[], facts: ConditionFacts): Result<boolean> {
  if (conditions.length === 0) return ok(true);
  const budget = new Budget();
  const variables = {
    object: plainValue(facts.object) ?? null,
    oldObject: plainValue(facts.oldObject) ?? null,
    request: plainValue(facts.request),
  };
  let failed: Result<boolean> | undefined;
  for (const condition of conditions) {
    const outcome = holds(condition, variables, budget);
    if (outcome.ok && !outcome.value) return outcome;
    if (!outcome.ok) failed ??= outcome;
  }
  return failed ?? ok(true);
}

function holds(
  { expression, program }: Condition,
  variables: Readonly<Record<string, unknown>>,
  budget: Budget,
): Result<boolean> {
  const compiled = program();
  if (!compiled.ok) return compiled;
  try {
    const outcome = compiled.value.run(variables, budget);
    if (outcome.ok) return ok(outcome.value === true);
    return { ok: false, error: `expression '${expression}' resulted in error: ${outcome.error}` };
  } catch (error) {
    if (!(error instanceof BudgetExceeded)) throw error;
    return { ok: false, error: `expression '${expression}' resulted in error: it costs too much` };
  }
}

/** A condition of a webhook. */
export function readCondition(condition: JsonObject): Condition {
  const expression = textOr(condition["expression"]);
  let compiled: Result<Program> | undefined;
  return {
    name: textOr(condition["name"]),
    expression,
    program: () => (compiled ??= compileCondition(expression)),
  };
}

/** Compiles a condition. @returns what is wrong with it, as a configuration's fault. */
export function compileCondition(expression: string): Result<Program> {
  const environment = openBaseEnvironment()
    .registerVariable("object", "dyn")
    .registerVariable("oldObject", "dyn")
    .registerVariable("request", "dyn");
  const program = compile(environment, expression);
  if (!program.ok) return { ok: false, error: `compilation failed: ${program.error}` };
  const { type } = program.value;
  if (type === "bool" || type === "dyn") return program;
  return { ok: false, error: `must evaluate to bool but got ${type}` };
}
