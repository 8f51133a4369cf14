import { expect, test } from "bun:test";
import { selectorOf } from "./selector-object.ts";

test.each([
  [undefined, []],
  [{ matchLabels: { app: "web" } }, [{ kind: "in", label: "app", values: ["web"] }]],
  [
    { matchExpressions: [{ key: "a", operator: "In", values: ["1", "2"] }] },
    [{ kind: "in", label: "a", values: ["1", "2"] }],
  ],
  [
    { matchExpressions: [{ key: "a", operator: "NotIn", values: ["1"] }] },
    [{ kind: "notin", label: "a", values: ["1"] }],
  ],
  [{ matchExpressions: [{ key: "a", operator: "Exists" }] }, [{ kind: "exists", label: "a" }]],
  [{ matchExpressions: [{ key: "a", operator: "DoesNotExist" }] }, [{ kind: "absent", label: "a" }]],
  [
    { matchExpressions: [{ key: "a", operator: "Near", values: ["1"] }] },
    [{ kind: "in", label: "a", values: [] }],
  ],
] as const)("selectorOf(%j)", (selector, want) => {
  expect(selectorOf(selector)).toEqual(want as never);
});
