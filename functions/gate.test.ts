import { expect, test } from "bun:test";
import { meshErrorCode } from "#host/mesh-error.ts";
import { Gate } from "./gate.ts";

test("jobs run in order, so many at once, and too many are refused", async () => {
  const gate = new Gate({ runningMax: 2, waitingMax: 1 });
  const jobs = [0, 1, 2].map(() => Promise.withResolvers<void>());
  const began: number[] = [];
  const runs = jobs.map((job, i) =>
    gate.run(async () => {
      began.push(i);
      await job.promise;
      return i;
    }),
  );
  expect(began).toEqual([0, 1]);
  expect(await gate.run(() => Promise.resolve()).catch(meshErrorCode)).toBe("limit-reached");
  jobs[1]?.resolve();
  await runs[1];
  await Promise.resolve();
  expect(began).toEqual([0, 1, 2]);
  for (const job of jobs) job.resolve();
  expect(await Promise.all(runs)).toEqual([0, 1, 2]);
});

test("a job that fails gives its place on", async () => {
  const gate = new Gate({ runningMax: 1, waitingMax: 1 });
  const failing = gate.run(() => Promise.reject(new Error("no")));
  const next = gate.run(() => Promise.resolve("next"));
  expect(await failing.catch(String)).toBe("Error: no");
  expect(await next).toBe("next");
});
