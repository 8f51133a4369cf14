import { expect, test } from "bun:test";
import { type LogLevel, openLog } from "./log.ts";

function written(level: LogLevel, format: "text" | "json"): string[] {
  const lines: string[] = [];
  const log = openLog({
    program: "edge",
    level,
    format,
    write: (line) => void lines.push(line),
    nowMs: () => 1000,
  });
  log.debug("looked");
  log.info("opened", { port: 80, host: 'a"b\n', isOpen: true, left: undefined });
  log.warn("slow");
  log.error("failed");
  return lines;
}

const time = "1970-01-01T00:00:01.000Z";

test("a text line has time, level, program, event and the fields that are there, and is one line", () => {
  expect(written("debug", "text")).toEqual([
    `${time}\tdebug\tedge\tlooked\n`,
    `${time}\tinfo\tedge\topened port=80 host="a\\"b\\n" isOpen=true\n`,
    `${time}\twarn\tedge\tslow\n`,
    `${time}\terror\tedge\tfailed\n`,
  ]);
});

test("a JSON line has the same", () => {
  const fields = { port: 80, host: 'a"b\n', isOpen: true };
  expect(written("info", "json").map((line): unknown => JSON.parse(line))).toEqual([
    { time, level: "info", scope: "edge", message: "opened", ...fields },
    { time, level: "warn", scope: "edge", message: "slow" },
    { time, level: "error", scope: "edge", message: "failed" },
  ]);
});

test.each([
  ["debug", 4],
  ["info", 3],
  ["warn", 2],
  ["error", 1],
] as const)("at level %s, %p of four events are written", (level, count) => {
  expect(written(level, "text")).toHaveLength(count);
});
