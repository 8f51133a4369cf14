import { expect, test } from "bun:test";
import {
  type ActivationDecision,
  decideActivation,
  decideFurtherActivation,
  type RevisionScale,
} from "./decide-activation.ts";

const held = (id: string, leases = 1) => ({ id, leases, isHeldByCaller: true });
const spare = (id: string, leases = 0) => ({ id, leases, isHeldByCaller: false });

const any: [string, RevisionScale, ActivationDecision][] = [
  ["starts the first", { running: [], starting: 0, max: 3 }, { kind: "start" }],
  ["joins one that starts", { running: [], starting: 1, max: 3 }, { kind: "join" }],
  ["uses the least leased", { running: [held("a", 2), spare("b", 1)], starting: 0, max: 3 }, use("b")],
  ["uses a running one though another starts", { running: [held("a")], starting: 1, max: 3 }, use("a")],
  ["refuses when nothing may run", { running: [], starting: 0, max: 0 }, refused(0, 0)],
];
test.each(any)("decideActivation() %s", (_, scale, want) => {
  expect(decideActivation(scale)).toEqual(want);
});

const further: [string, RevisionScale, ActivationDecision][] = [
  [
    "uses one that the caller does not hold",
    { running: [held("a"), spare("b")], starting: 0, max: 2 },
    use("b"),
  ],
  ["starts another", { running: [held("a")], starting: 0, max: 2 }, { kind: "start" }],
  ["starts another beside one that starts", { running: [held("a")], starting: 1, max: 3 }, { kind: "start" }],
  ["joins what starts once max is reached", { running: [held("a")], starting: 1, max: 2 }, { kind: "join" }],
  ["refuses at max", { running: [held("a"), held("b")], starting: 0, max: 2 }, refused(2, 2)],
];
test.each(further)("decideFurtherActivation() %s", (_, scale, want) => {
  expect(decideFurtherActivation(scale)).toEqual(want);
});

function use(id: string): ActivationDecision {
  return { kind: "use", id };
}

function refused(count: number, max: number): ActivationDecision {
  return { kind: "refuse", reason: `all ${count} of scale.max ${max} instances run already` };
}
