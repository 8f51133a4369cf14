import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { Program, type ProgramLimits, type ProgramProcess } from "./program.ts";
import { restartDelayMs } from "./restart-delay.ts";

const limits: ProgramLimits = {
  firstDelayMs: 100,
  longestDelayMs: 1000,
  steadyMs: 10_000,
  readyMs: 5000,
  askEveryMs: 10,
  stopMs: 2000,
};

interface FakeProcess extends ProgramProcess {
  readonly orders: string[];
  end(how: string): void;
}

function fakeProcess(pid: number): FakeProcess {
  const ended = Promise.withResolvers<string>();
  const orders: string[] = [];
  return {
    pid,
    orders,
    ended: ended.promise,
    end: ended.resolve,
    terminate: () => void orders.push("terminate"),
    kill() {
      orders.push("kill");
      ended.resolve("killed");
    },
  };
}

interface World {
  readonly clock: FakeClock;
  readonly program: Program;
  readonly processes: FakeProcess[];
  readonly events: string[];
  ready: boolean;
}

function world(start?: () => void): World {
  const clock = new FakeClock();
  const processes: FakeProcess[] = [];
  const events: string[] = [];
  const made: World = {
    clock,
    processes,
    events,
    ready: true,
    program: new Program({
      name: "p",
      clock,
      limits,
      onChange: (event, status) => void events.push(`${event} ${status.state}`),
      port: {
        start() {
          start?.();
          const process = fakeProcess(processes.length + 1);
          processes.push(process);
          return process;
        },
        isReady: () => Promise.resolve(made.ready),
        lastWords: () => "port in use\n",
      },
    }),
  };
  return made;
}

/** Lets what is settled already be seen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

test("a program that gets ready is started once", async () => {
  const { program, processes } = world();
  await program.start();
  expect(program.status()).toMatchObject({ state: "ready", pid: 1, restarts: 0 });
  expect(processes.length).toBe(1);
});

test("a program that ends before it was ever ready is not tried again; its last words are told", async () => {
  const it = world();
  it.ready = false;
  const started = it.program.start().catch((error: unknown) => error);
  it.processes[0]?.end("exit code 1");
  expect(await started).toMatchObject({
    message: "Cannot start p: exit code 1; it said: port in use",
  });
  it.clock.advance(60_000);
  expect(it.processes.length).toBe(1);
});

test("a program that cannot be made is told like one that ended", async () => {
  const it = world(() => {
    throw new Error("Cannot start bun: ENOENT");
  });
  expect(await it.program.start().catch((error: unknown) => error)).toMatchObject({
    message: "Cannot start p: Cannot start bun: ENOENT; it said: port in use",
  });
});

test("a program that does not get ready in time is killed and told", async () => {
  const it = world();
  it.ready = false;
  const started = it.program.start().catch((error: unknown) => error);
  await settle();
  it.clock.advance(5000);
  expect(await started).toMatchObject({ message: expect.stringContaining("not ready within 5000 ms") });
  expect(it.processes[0]?.orders).toEqual(["kill"]);
});

test("a program that dies is started again, later each time", async () => {
  const it = world();
  await it.program.start();
  for (const [wait, count] of [
    [100, 2],
    [200, 3],
    [400, 4],
  ] as const) {
    it.processes.at(-1)?.end("signal 9");
    await settle();
    expect(it.program.status()).toMatchObject({ state: "waiting", pid: undefined, lastEnd: "signal 9" });
    it.clock.advance(wait - 1);
    expect(it.processes.length).toBe(count - 1);
    it.clock.advance(1);
    expect(it.processes.length).toBe(count);
    await settle();
  }
  expect(it.program.status()).toMatchObject({ state: "ready", restarts: 3 });
});

test("a program that ran steadily starts afresh with the first delay", async () => {
  const it = world();
  await it.program.start();
  it.processes[0]?.end("x");
  await settle();
  it.clock.advance(100);
  await settle();
  it.clock.advance(limits.steadyMs);
  it.processes[1]?.end("x");
  await settle();
  it.clock.advance(100);
  expect(it.processes.length).toBe(3);
});

test("stop() asks, and kills after the deadline; nothing is started again", async () => {
  const it = world();
  await it.program.start();
  const stopped = it.program.stop();
  await settle();
  expect(it.processes[0]?.orders).toEqual(["terminate"]);
  it.clock.advance(limits.stopMs);
  await stopped;
  expect(it.processes[0]?.orders).toEqual(["terminate", "kill"]);
  it.clock.advance(60_000);
  expect(it.processes.length).toBe(1);
  expect(it.program.status()).toMatchObject({ state: "stopped", pid: undefined });
});

test("stop() while it waits for its next start calls that off", async () => {
  const it = world();
  await it.program.start();
  it.processes[0]?.end("x");
  await settle();
  await it.program.stop();
  it.clock.advance(60_000);
  expect(it.processes.length).toBe(1);
});

test("stop() during the start rejects the start", async () => {
  const it = world();
  it.ready = false;
  const started = it.program.start().catch((error: unknown) => error);
  const stopped = it.program.stop();
  it.processes[0]?.end("x");
  await stopped;
  expect(await started).toMatchObject({ code: "canceled" });
});

test.each([
  [1, 100],
  [2, 200],
  [4, 800],
  [5, 1000],
  [5000, 1000],
] as const)("restartDelayMs(%d) is %d", (ends, want) => {
  expect(restartDelayMs(ends, limits)).toBe(want);
});
