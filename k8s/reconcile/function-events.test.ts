import { expect, test } from "bun:test";
import type { FunctionStatus } from "#host/kube/known-resources.ts";
import { functionObject, madeAt, revisionObject } from "../../tests/support/kube-objects.ts";
import { functionEvents, revisionEvents } from "./function-events.ts";

function ready(status: "True" | "False", reason: string, message: string) {
  return { conditions: [{ type: "Ready", status, reason, message, lastTransitionTime: madeAt }] };
}

const fails = ready("False", "RevisionFailed", "it does not load");
const serves = { ...ready("True", "RevisionReady", ""), latestReadyRevision: "v1", url: "http://cart.shop/" };

const table: readonly [string, FunctionStatus | undefined, FunctionStatus, readonly string[]][] = [
  [
    "a revision is made",
    undefined,
    { latestRevision: "v1" },
    ["Normal RevisionCreated: Created revision cart-v1"],
  ],
  ["it serves", {}, serves, ["Normal Deployed: Revision v1 serves at http://cart.shop/"]],
  [
    "it serves another",
    serves,
    { ...serves, latestReadyRevision: "v2" },
    ["Normal Deployed: Revision v2 serves at http://cart.shop/"],
  ],
  ["it goes on serving", serves, { ...serves, observedGeneration: 2 }, []],
  ["it fails", {}, fails, ["Warning RevisionFailed: it does not load"]],
  ["it fails as before", fails, fails, []],
  ["it fails otherwise", fails, ready("False", "RevisionFailed", "other"), ["Warning RevisionFailed: other"]],
];

test.each(table)("functionEvents() when %s", (_case, before, after, want) => {
  const object = functionObject("cart");
  const was = before === undefined ? object : { ...object, status: before };
  const events = functionEvents(was, { ...object, status: after });
  expect(events.map(({ type, reason, message }) => `${type} ${reason}: ${message}`)).toEqual([...want]);
});

test("what is told at the start of a watch is not news", () => {
  const object = functionObject("cart");
  expect(functionEvents(undefined, { ...object, status: serves })).toEqual([]);
  expect(revisionEvents(undefined, revisionObject(object, true))).toEqual([]);
});

test("revisionEvents() tells that it was loaded, once, and why it was not", () => {
  const revision = revisionObject(functionObject("cart"), false);
  const loaded = { ...revision, status: ready("True", "Loaded", "it exports fetch") };
  const failed = { ...revision, status: ready("False", "LoadFailed", "no handler") };
  expect(revisionEvents(revision, loaded)).toMatchObject([
    { type: "Normal", reason: "Loaded", message: "A node has loaded it: it exports fetch" },
  ]);
  expect(revisionEvents(loaded, loaded)).toEqual([]);
  expect(revisionEvents(revision, failed)).toMatchObject([
    { type: "Warning", reason: "LoadFailed", message: "no handler" },
  ]);
});
