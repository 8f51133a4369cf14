/** A process whose parent is gone: watched by who did not bear it, with how it ended as far as anybody can know. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { closeSync } from "node:fs";
import { systemClock as clock } from "#host/clock.ts";
import { type AdoptionHost, adoptProcess, readStartTicks } from "#host/linux/adopted-process.ts";
import { giveBirth } from "#host/linux/birth.ts";
import { closeLibc, openLibc } from "#host/linux/libc.ts";
import { openPoller } from "#host/linux/poller.ts";
import { signals } from "#host/linux/spawn.ts";

let host: AdoptionHost;

beforeAll(async () => {
  const libc = openLibc();
  host = { libc, poller: await openPoller(libc), clock };
});

afterAll(() => {
  host.poller.close();
  closeLibc(host.libc);
});

/** Starts a process whose parent ends at once. */
function startOrphan(then: string): { readonly pid: number; readonly startTicks: string } {
  const { stdout } = Bun.spawnSync(["sh", "-c", `(sleep 0.2; ${then}) > /dev/null 2>&1 & echo $!`]);
  const pid = Number(stdout.toString());
  return { pid, startTicks: readStartTicks(pid) ?? "" };
}

test("the exit code of an adopted process is known", async () => {
  const { pid, startTicks } = startOrphan("exit 7");
  expect(await adoptProcess(host, pid, startTicks)?.exited).toEqual({ kind: "exited", code: 7 });
});

test("an adopted process can be signaled, and not after its end", async () => {
  const { pid, startTicks } = startOrphan("sleep 100");
  const adopted = adoptProcess(host, pid, startTicks);
  expect(adopted?.signal(signals.kill)).toBe(true);
  expect(await adopted?.exited).toEqual({ kind: "signaled", signal: 9 });
  expect(adopted?.signal(signals.terminate)).toBe(false);
});

test("the exit code is known though somebody else has reaped it", async () => {
  const { libc } = host;
  const run = {
    what: "Cannot start sh",
    name: "execve",
    args: ["/bin/sh", ["sh", "-c", "sleep 0.2; exit 5"], []],
  } as const;
  const { pid, pidfd } = giveBirth(libc, [run], []);
  const adopted = adoptProcess(host, pid, readStartTicks(pid) ?? "");
  const [byPidfd, ended] = [3, 4];
  libc.call("Cannot wait for a child", "waitid", byPidfd, pidfd, Buffer.alloc(128), ended, null);
  expect(readStartTicks(pid)).toBeUndefined();
  expect(await adopted?.exited).toEqual({ kind: "exited", code: 5 });
  closeSync(pidfd);
});

test("another process of the same number is not adopted", () => {
  expect(adoptProcess(host, process.pid, "1")).toBeUndefined();
  expect(adoptProcess(host, 2 ** 22 + 1, "1")).toBeUndefined();
});
