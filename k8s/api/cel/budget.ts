/** What evaluations may cost: every step of an expression is counted, so that no rule can hold up the server. */

/** Steps of all rules of one object: a fifth of a second. */
export const stepsMax = 400_000;
/** Characters of text that cost a step. */
const charactersPerStep = 10;

/** An evaluation that was stopped. */
export class BudgetExceeded extends Error {}

/** Counts down. */
export class Budget {
  #left: number;

  constructor(steps: number = stepsMax) {
    this.#left = steps;
  }

  /** Pays for a step that came to a value. @throws BudgetExceeded when nothing is left. */
  spend(value: unknown): void {
    this.#left -= 1 + (typeof value === "string" ? value.length / charactersPerStep : 0);
    if (this.#left < 0) throw new BudgetExceeded("no steps left");
  }
}

/** A node of an expression's tree, as far as it is metered. */
interface MeteredNode {
  readonly op: string;
  readonly args: unknown;
  readonly meta: { evaluate?: Evaluate; readonly alternate?: unknown; readonly macro?: unknown };
  setMeta(key: "evaluate", value: Evaluate): unknown;
}

type Evaluate = (evaluator: unknown, node: unknown, context: unknown) => unknown;

/** Makes every node of a checked expression pay. @param current The budget of the evaluation that runs. */
export function meter(root: unknown, current: () => Budget): void {
  const seen = new Set<unknown>();
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null || seen.has(value)) return;
    seen.add(value);
    if (!isNode(value)) {
      // Arguments are nodes, lists of them, or a loop's parts by name; contexts of types are neither.
      if (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype) {
        Object.values(value).forEach(visit);
      }
      return;
    }
    const { evaluate } = value.meta;
    if (evaluate !== undefined) {
      value.setMeta("evaluate", (evaluator, node, context) => {
        const result = evaluate(evaluator, node, context);
        current().spend(result);
        return result;
      });
    }
    visit(value.args);
    visit(value.meta.alternate);
    visit(value.meta.macro);
  };
  visit(root);
}

/** Whether an expression speaks of a name. */
export function speaksOf(root: unknown, name: string): boolean {
  const seen = new Set<unknown>();
  const find = (value: unknown): boolean => {
    if (typeof value !== "object" || value === null || seen.has(value)) return false;
    seen.add(value);
    if (isNode(value)) {
      if (value.op === "id" && value.args === name) return true;
      return [value.args, value.meta.alternate, value.meta.macro].some(find);
    }
    if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) return false;
    return Object.values(value).some(find);
  };
  return find(root);
}

function isNode(value: object): value is MeteredNode {
  return "op" in value && "setMeta" in value && "meta" in value;
}
