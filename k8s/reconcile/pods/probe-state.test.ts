import { expect, test } from "bun:test";
import { type ProbeAnswer, type ProbeThresholds, unasked, withAnswer } from "./probe-state.ts";

const answers: Readonly<Record<string, ProbeAnswer>> = { s: "success", f: "failure" };

test.each<[string, ProbeThresholds, string, string]>([
  ["one success, three failures by default", {}, "sffsfff", "ssssssf"],
  ["nothing before the thresholds", { successThreshold: 2, failureThreshold: 2 }, "sfsfss", "-----s"],
  ["a failure at once", { failureThreshold: 1 }, "sfs", "sfs"],
])("withAnswer() gives %s", (_name, thresholds, given, want) => {
  let state = unasked;
  const verdicts = given.split("").map((letter) => {
    state = withAnswer(state, answers[letter] ?? "failure", thresholds);
    return state.verdict?.[0] ?? "-";
  });
  expect(verdicts.join("")).toBe(want);
});
