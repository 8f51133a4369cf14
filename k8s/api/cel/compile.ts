/** Compiling one expression: its type is known before it is ever run, and what is wrong is told as cel-go tells it. */
import type { Environment } from "@marcbachmann/cel-js";
import { err, ok, type Result } from "#core/result.ts";
import { Budget, meter, speaksOf } from "./budget.ts";
import { compileErrorText, runErrorText } from "./error-text.ts";

/** A compiled expression. */
export interface Program {
  /** As the engine names it: `bool`, `string`, `dyn`. */
  readonly type: string;
  speaksOf(variable: string): boolean;
  /** @returns the reason when it comes to no value. @throws BudgetExceeded */
  run(variables: Readonly<Record<string, unknown>>, budget: Budget): Result<unknown>;
}

/** Compiles. @returns `ERROR: <input>:1:5: undefined field 'b'` with the line, as the reason. */
export function compile(environment: Environment, text: string): Result<Program> {
  try {
    const parsed = environment.parse(text);
    const checked = parsed.check();
    if (!checked.valid) return err(compileErrorText(environment, text, checked.error));
    let current = new Budget(0);
    meter(parsed.ast, () => current);
    return ok({
      type: checked.type ?? "dyn",
      speaksOf: (variable) => speaksOf(parsed.ast, variable),
      run(variables, budget) {
        current = budget;
        try {
          return ok(parsed(variables));
        } catch (error) {
          return err(runErrorText(error));
        }
      },
    });
  } catch (error) {
    return err(compileErrorText(environment, text, error));
  }
}
