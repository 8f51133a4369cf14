import { expect, test } from "bun:test";
import { readLogQuery } from "./log-query.ts";

const nowMs = Date.UTC(2026, 0, 1);
const plain = {
  container: "",
  follow: false,
  previous: false,
  timestamps: false,
  tailLines: undefined,
  sinceTimeMs: undefined,
  limitBytes: undefined,
};

const good: [string, object][] = [
  ["", {}],
  [
    "container=a&follow=true&previous=1&timestamps=TRUE",
    { container: "a", follow: true, previous: true, timestamps: true },
  ],
  ["follow=false&previous=0&timestamps=", {}],
  ["tailLines=0&limitBytes=1", { tailLines: 0, limitBytes: 1 }],
  ["sinceSeconds=10", { sinceTimeMs: nowMs - 10_000 }],
  ["sinceTime=2026-01-01T01:00:00%2B01:00", { sinceTimeMs: nowMs }],
  ["sinceTime=2026-01-01T00:00:00.5Z", { sinceTimeMs: nowMs + 500 }],
];
test.each(good)("readLogQuery() reads %p", (query, wanted) => {
  expect(readLogQuery(new URLSearchParams(query), nowMs)).toEqual({
    ok: true,
    value: { ...plain, ...wanted },
  });
});

const bad: [string, string][] = [
  ["tailLines=x", 'strconv.ParseInt: parsing "x": invalid syntax'],
  ["limitBytes=1.5", 'strconv.ParseInt: parsing "1.5": invalid syntax'],
  [
    "sinceTime=yesterday",
    'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
  ],
  [
    "sinceTime=2026-01-01",
    'parsing time "2026-01-01" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"',
  ],
  ["sinceTime=2026-01-01T00:00:00Zx", 'parsing time "2026-01-01T00:00:00Zx": extra text: "x"'],
  ["tailLines=-1", "tailLines: Invalid value: -1: must be greater than or equal to 0"],
  ["limitBytes=0", "limitBytes: Invalid value: 0: must be greater than 0"],
  ["sinceSeconds=0", "sinceSeconds: Invalid value: 0: must be greater than 0"],
  [
    "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z",
    "[]: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
  ],
  ["stream=Stdout", "stream: Forbidden: may not be specified"],
];
test.each(bad)("readLogQuery() refuses %p", (query, wanted) => {
  const read = readLogQuery(new URLSearchParams(query), nowMs);
  expect(read.ok).toBe(false);
  if (read.ok) return;
  const { error } = read;
  const text =
    error.kind === "unreadable" ? error.message : `${error.faults[0]?.field}: ${error.faults[0]?.message}`;
  expect(text).toBe(wanted);
});
