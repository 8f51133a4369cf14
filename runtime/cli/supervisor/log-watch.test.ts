import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { watchLog } from "./log-watch.ts";
import { openProgramLog, type ProgramLogLimits } from "./program-log.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const lookMs = 250;

function rig(outputBytesMax: number, limits?: ProgramLogLimits) {
  const folder = mkdtempSync(join(tmpdir(), "log-watch-"));
  folders.push(folder);
  const log = openProgramLog(join(folder, "p.log"), limits);
  const clock = new FakeClock();
  const shown: string[] = [];
  const lost: string[] = [];
  writeSync(log.fd, "before\n");
  const watch = watchLog({
    log,
    clock,
    onOutput: (text) => shown.push(text),
    onLost: (refusal) => lost.push(refusal),
    outputBytesMax,
  });
  const say = (text: string): void => {
    writeSync(log.fd, text);
    clock.advance(lookMs);
  };
  return { log, clock, shown, lost, watch, say, folder };
}

test("what is new is shown once, and nothing after the end", () => {
  const { clock, shown, watch, say } = rig(100);
  say("one\n");
  clock.advance(10 * lookMs);
  say("two\n");
  watch[Symbol.dispose]();
  say("three\n");
  expect(shown).toEqual(["one\n", "two\n"]);
  expect(clock.pending).toBe(0);
});

test("of more than the bound between two looks the latest is shown, and the next look shows what is new again", () => {
  const { shown, say } = rig(8);
  say("12345678");
  say("a line that is longer\nlast one");
  say("short\n");
  expect(shown).toEqual(["12345678", "last one", "short\n"]);
});

test("a full log is put aside when it has been shown; one that cannot be is told of, and goes on", () => {
  const { log, shown, lost, say, folder } = rig(100, { bytesMax: 20, keptMax: 1 });
  say("enough to fill it\n");
  expect(log.size()).toBe(0);
  say("short\n");
  rmSync(folder, { recursive: true });
  say("enough to fill it\n");
  expect(lost).toEqual([expect.stringContaining("ENOENT")]);
  say("on\n");
  expect(shown).toEqual(["enough to fill it\n", "short\n", "enough to fill it\n", "on\n"]);
});
