import { expect, test } from "bun:test";
import { parseLabelChanges } from "./label-changes.ts";

test.each([
  [["a=b"], [{ key: "a", value: "b" }]],
  [["istio.io/dataplane-mode=ambient"], [{ key: "istio.io/dataplane-mode", value: "ambient" }]],
  [["a="], [{ key: "a", value: "" }]],
  [["b=d-"], "value of the label"],
  [
    ["b-c=d", "a-"],
    [
      { key: "b-c", value: "d" },
      { key: "a", value: undefined },
    ],
  ],
  [["a"], "wanted key=value"],
  [["=b"], "label's key"],
  [["a/b/c=d"], "label's key"],
  [["A/b=d"], "label's key"],
  [["a=b c"], "value of the label"],
  [[`a=${"x".repeat(64)}`], "value of the label"],
  [["a=b", "a-"], "twice at once"],
] as const)("parseLabelChanges(%p)", (texts, want) => {
  if (typeof want === "string") expect(() => parseLabelChanges(texts)).toThrow(want);
  else expect(parseLabelChanges(texts)).toEqual(want as never);
});
