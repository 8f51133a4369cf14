/** Rules over objects without an API around them: values, names, bounds. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import type { JsonObject } from "../json.ts";
import { openBaseEnvironment } from "./base-environment.ts";
import { Budget, BudgetExceeded } from "./budget.ts";
import { compile } from "./compile.ts";
import { escapeFieldName } from "./field-names.ts";
import { compileRules } from "./schema-rules.ts";

function ruled(rule: string, properties: JsonObject): JsonObject {
  return { type: "object", properties, "x-kubernetes-validations": [{ rule }] };
}

function judged(schema: JsonObject, object: unknown, old?: unknown): readonly string[] {
  const rules = compileRules(schema, "");
  expect(rules.faults).toEqual([]);
  return rules.run(object, old).map(({ field, message }) => `${field}: ${message}`);
}

test.each([
  ["a", "a"],
  ["a-b", "a__dash__b"],
  ["a.b/c", "a__dot__b__slash__c"],
  ["__a", "__underscores__a"],
  ["for", "__for__"],
  ["0a", undefined],
  ["a b", undefined],
])("the field %p is written %p", (name, want) => {
  expect(escapeFieldName(name)).toBe(want);
});

test.each<[string, JsonObject, unknown]>([
  ["self.b == b'hi'", { b: { type: "string", format: "byte" } }, { b: "aGk=" }],
  ['self.t == duration("90s")', { t: { type: "string", format: "duration" } }, { t: "1m30s" }],
  [
    'self.day < timestamp("2021-01-01T00:00:00Z")',
    { day: { type: "string", format: "date" } },
    { day: "2020-05-05" },
  ],
  ["self.big == 9007199254740991", { big: { type: "integer" } }, { big: Number.MAX_SAFE_INTEGER }],
  ["!has(self.gone)", { gone: { type: "string", nullable: true } }, { gone: null }],
  [
    "self.l.map(x, has(x.a) ? x.a : 0) == [1, 0]",
    { l: { type: "array", items: { type: "object", properties: { a: { type: "integer" } } } } },
    { l: [{ a: 1 }, {}] },
  ],
  [
    'self.r.kind == "Pod" && self.r.metadata.name == "p"',
    {
      r: {
        type: "object",
        "x-kubernetes-embedded-resource": true,
        "x-kubernetes-preserve-unknown-fields": true,
      },
    },
    { r: { kind: "Pod", metadata: { name: "p", labels: {} } } },
  ],
  ["self.ios == 5 || self.ios == '5'", { ios: { "x-kubernetes-int-or-string": true } }, { ios: 5 }],
  ["self.constructor__ == 1 || true", { constructor__: { type: "integer" } }, {}],
])("%s holds", (rule, properties, object) => {
  const escaped = rule.replace("constructor__", "constructor__underscores__");
  expect(judged(ruled(escaped, properties), object)).toEqual([]);
});

test("what did not change is not asked again, unless it is compared", () => {
  const schema = ruled("self.a > 1", { a: { type: "integer" } });
  expect(judged(schema, { a: 1 })).toHaveLength(1);
  expect(judged(schema, { a: 1 }, { a: 1 })).toEqual([]);
  expect(judged(schema, { a: 0 }, { a: 1 })).toHaveLength(1);
});

describe("bounds", () => {
  const numbers = { l: { type: "array", items: { type: "integer" } } };

  test("loops in loops end at the budget, and say so", () => {
    const rule = "self.l.all(a, self.l.all(b, self.l.all(c, a + b + c >= 0)))";
    const l = Array.from({ length: 1000 }, (_, i) => i);
    expect(judged(ruled(rule, numbers), { l })).toEqual([
      '<nil>: Invalid value: "object": validation failed due to running out of cost budget, no further validation rules will be run',
    ]);
  });

  test("long texts cost what they are long", () => {
    const program = compile(
      openBaseEnvironment().registerVariable("s", "string"),
      "[1, 2, 3].all(x, s.contains('b'))",
    );
    if (!program.ok) throw new Error(program.error);
    const run = (steps: number): unknown => program.value.run({ s: "a".repeat(100_000) }, new Budget(steps));
    expect(() => run(5000)).toThrow(BudgetExceeded);
    expect(run(100_000)).toEqual({ ok: true, value: false });
  });

  test("an expression of too many parts is none", () => {
    const compiled = compileRules(ruled(Array.from({ length: 5000 }, () => "true").join(" && "), {}), "s");
    expect(compiled.faults[0]?.message).toContain("compilation failed: ERROR: <input>:");
  });

  test("no text makes the compiler throw", () => {
    const environment = openBaseEnvironment().registerVariable("self", "int");
    fc.assert(
      fc.property(fc.string({ maxLength: 40, unit: "binary" }), (text) => {
        compile(environment, text);
      }),
    );
    const parts = fc.constantFrom(
      "self",
      "1",
      "(",
      ")",
      "[",
      "]",
      ".",
      "all",
      ",",
      "x",
      "&&",
      "!",
      '"a"',
      "{",
      "}",
      "?",
      ":",
      "in",
    );
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 12 }), (words) => {
        compile(environment, words.join(" "));
      }),
    );
  });
});
