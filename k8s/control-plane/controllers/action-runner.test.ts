import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { revisionResource } from "#host/kube/known-resources.ts";
import type { Action } from "../../reconcile/action.ts";
import { ActionRunner } from "./action-runner.ts";

const status = (name: string, value = "x"): Action => ({
  kind: "status",
  type: revisionResource,
  key: { namespace: "shop", name },
  status: { value },
});
const check = (name: string): Action => ({
  kind: "check",
  generation: 1,
  revision: { namespace: "shop", name, spec: {} as never },
});

function rig(limits: { runningMax?: number; checksMax?: number; rememberedMax?: number } = {}) {
  const clock = new FakeClock(0);
  const started: string[] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  const seen = { settled: 0, failures: [] as string[] };
  const runner = new ActionRunner({
    perform(action) {
      started.push(action.kind === "check" ? action.revision.name : "key" in action ? action.key.name : "");
      const end = Promise.withResolvers<void>();
      ends.push(end);
      return end.promise;
    },
    onSettled: () => void seen.settled++,
    onFailure: (name) => void seen.failures.push(name),
    clock,
    ...limits,
  });
  return { clock, started, ends, seen, runner };
}

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

test("an action runs once at a time, and few run at once", () => {
  const { runner, started } = rig({ runningMax: 2, checksMax: 1 });
  const all = [status("a"), check("b"), check("c"), status("d"), status("e")];
  runner.offer(all);
  runner.offer(all);
  expect(started).toEqual(["a", "b", "d"]);
});

test("the same action again waits, later and later; another content does not", async () => {
  const { runner, clock, started, ends, seen } = rig();
  runner.offer([status("a")]);
  ends[0]?.reject(new Error("boom"));
  await settle();
  expect([seen.settled, seen.failures]).toEqual([1, ["status Revision shop/a"]]);
  runner.offer([status("a")]);
  expect(started).toHaveLength(1);
  runner.offer([status("a", "y")]);
  expect(started).toHaveLength(2);
  ends[1]?.resolve();
  await settle();
  runner.offer([status("a", "y")]);
  expect(started).toHaveLength(2);
  clock.advance(60); // the first wait and its jitter
  expect(seen.settled).toBe(3);
  runner.offer([status("a", "y")]);
  expect(started).toHaveLength(3);
});

test("checks that wait run at once when a node comes; nothing runs after close()", async () => {
  const { runner, started, ends } = rig();
  runner.offer([check("a")]);
  ends[0]?.reject(new Error("no node"));
  await settle();
  runner.offer([check("a")]);
  expect(started).toHaveLength(1);
  runner.retryChecks();
  runner.offer([check("a")]);
  expect(started).toHaveLength(2);
  runner.close();
  runner.offer([status("b")]);
  expect(started).toHaveLength(2);
});

test("tries beyond those remembered are forgotten, so that what failed may run at once", async () => {
  const { runner, started, ends } = rig({ rememberedMax: 2 });
  const fail = async (...actions: Action[]): Promise<void> => {
    runner.offer(actions);
    for (const end of ends.splice(0)) end.reject(new Error("boom"));
    await settle();
  };
  await fail(status("a"), status("b"));
  await fail(status("a"), status("b"));
  expect(started).toEqual(["a", "b"]);
  // Another wish for what is remembered takes no further place.
  await fail(status("b", "y"));
  await fail(status("a"));
  expect(started).toEqual(["a", "b", "b"]);
  await fail(status("c"));
  await fail(status("a"), status("c"));
  await fail(status("a"), status("c"));
  expect(started).toEqual(["a", "b", "b", "c", "a"]);
});
