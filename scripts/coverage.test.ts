import { expect, test } from "bun:test";
import { findGaps, mergeHits, type Tree } from "./coverage.ts";

const report = (file: string, ...lines: string[]): string =>
  ["TN:", `SF:${file}`, ...lines.map((line) => `DA:${line}`), "end_of_record", ""].join("\n");

/** A file with lines 1 to 10, of which those named did not run. */
const tenLines = (file: string, ...missed: number[]): string =>
  report(file, ...Array.from({ length: 10 }, (_, at) => `${at + 1},${missed.includes(at + 1) ? 0 : 3}`));

function gaps(reports: readonly string[], part: Partial<Tree> = {}): string[] {
  const tree = { sources: ["a.ts"], exclusions: [], exists: () => true, ...part };
  return findGaps({ ...tree, hits: mergeHits(reports) });
}

test("mergeHits() adds up what suites ran, line by line", () => {
  const merged = mergeHits([
    report("a.ts", "1,1", "2,0") + report("b.ts", "7,2"),
    report("a.ts", "1,2", "2,5", "3,0"),
  ]);
  expect(Object.fromEntries([...merged].map(([file, lines]) => [file, [...lines]]))).toEqual({
    "a.ts": [
      [1, 3],
      [2, 5],
      [3, 0],
    ],
    "b.ts": [[7, 2]],
  });
});

const exclusions = [{ test: "x.test.ts", files: ["a.ts"] }];
const cases: readonly (readonly [string, string[], Partial<Tree>, string[]])[] = [
  ["nine lines of ten are enough", [tenLines("a.ts", 4)], {}, []],
  ["eight are not", [tenLines("a.ts", 3, 4)], {}, ["a.ts: 80 % of its lines run, not lines 3-4"]],
  ["two suites together", [tenLines("a.ts", 1, 2, 3), tenLines("a.ts", 3, 8, 9)], {}, []],
  [
    "ranges are told",
    [tenLines("a.ts", 1, 3, 4, 9)],
    {},
    ["a.ts: 60 % of its lines run, not lines 1, 3-4, 9"],
  ],
  ["a file that is not loaded", [tenLines("b.ts")], {}, ["a.ts: no test loads it"]],
  ["an excluded file that is not loaded", [], { exclusions }, []],
  ["an excluded file that runs too little", [tenLines("a.ts", 1, 2)], { exclusions }, []],
  [
    "an exclusion that is not needed",
    [tenLines("a.ts")],
    { exclusions },
    ["a.ts: covered by 100 %; take it off the exclusions"],
  ],
  [
    "an exclusion by a test that is gone",
    [],
    { exclusions, exists: () => false },
    ["x.test.ts: named in coverage-exclusions.ts, but there is no such test"],
  ],
  [
    "an exclusion of a file that is gone",
    [],
    { exclusions, sources: [] },
    ["a.ts: named in coverage-exclusions.ts, but no source file with code"],
  ],
];

test.each(cases)("findGaps(): %s", (_, reports, part, want) => {
  expect(gaps(reports, part)).toEqual(want);
});
