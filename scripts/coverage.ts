/**
 * Whether tests run the sources: merges the lcov files of the suites and names each source file of which too little ran. What runs only
 * in child processes cannot be seen that way; coverage-exclusions.ts names it with the test that runs it.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob, Transpiler } from "bun";
import { type Exclusion, exclusions } from "./coverage-exclusions.ts";

/** Hits of each line that can run, by file. */
export type LineHits = ReadonlyMap<string, ReadonlyMap<number, number>>;

/** What is known of the tree when coverage is judged. */
export interface Tree {
  /** Source files that have code to run. */
  readonly sources: readonly string[];
  readonly hits: LineHits;
  readonly exclusions: readonly Exclusion[];
  readonly exists: (path: string) => boolean;
}

const root = join(import.meta.dir, "..");

/** Of a file's lines that can run, so much must run. */
const shareMin = 0.9;

/** Merges lcov files (one a suite): hits of a line are added up. */
export function mergeHits(reports: readonly string[]): LineHits {
  const merged = new Map<string, Map<number, number>>();
  for (const report of reports) {
    let lines = new Map<number, number>();
    for (const record of report.split("\n")) {
      if (record.startsWith("SF:")) {
        const file = record.slice(3);
        lines = merged.get(file) ?? new Map<number, number>();
        merged.set(file, lines);
      } else if (record.startsWith("DA:")) {
        const [line = 0, hits = 0] = record.slice(3).split(",").map(Number);
        lines.set(line, (lines.get(line) ?? 0) + hits);
      }
    }
  }
  return merged;
}

/** Everything that is wrong with the coverage of a tree, a sentence each; none when it is good. */
export function findGaps(tree: Tree): string[] {
  const excluded = new Map(tree.exclusions.flatMap(({ test, files }) => files.map((file) => [file, test])));
  const sources = new Set(tree.sources);
  const gaps = tree.exclusions
    .filter(({ test }) => !tree.exists(test))
    .map(({ test }) => `${test}: named in coverage-exclusions.ts, but there is no such test`);
  for (const file of excluded.keys()) {
    if (!sources.has(file))
      gaps.push(`${file}: named in coverage-exclusions.ts, but no source file with code`);
  }
  for (const file of tree.sources) {
    const gap = findGap(tree.hits.get(file), excluded.has(file));
    if (gap !== undefined) gaps.push(`${file}: ${gap}`);
  }
  return gaps;
}

function findGap(lines: ReadonlyMap<number, number> | undefined, isExcluded: boolean): string | undefined {
  if (lines === undefined) return isExcluded ? undefined : "no test loads it";
  const missed = [...lines].filter(([, hits]) => hits === 0).map(([line]) => line);
  const share = lines.size === 0 ? 1 : 1 - missed.length / lines.size;
  if (isExcluded)
    return share < shareMin ? undefined : `covered by ${percent(share)}; take it off the exclusions`;
  return share < shareMin ? `${percent(share)} of its lines run, not lines ${ranges(missed)}` : undefined;
}

/** Downwards, so that what is too little never reads as enough. */
function percent(share: number): string {
  return `${Math.floor(share * 100)} %`;
}

/** `3-5, 9` */
function ranges(lines: readonly number[]): string {
  const parts: { from: number; to: number }[] = [];
  for (const line of [...lines].sort((a, b) => a - b)) {
    const last = parts.at(-1);
    if (last !== undefined && line === last.to + 1) last.to = line;
    else parts.push({ from: line, to: line });
  }
  return parts.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(", ");
}

/** Judges the tree by the suites' lcov files, as {@link findGaps} does. */
export function judgeCoverage(reportFiles: readonly string[]): string[] {
  return findGaps({
    sources: listSources(),
    hits: mergeHits(reportFiles.map((file) => readFileSync(file, "utf8"))),
    exclusions,
    exists: (path) => existsSync(join(root, path)),
  });
}

/** The sources that have code: not tests, examples, what is generated, nor files of types alone, which leave nothing to run. */
function listSources(): string[] {
  const transpiler = new Transpiler({ loader: "ts" });
  return [...new Glob("{runtime,ztunnel,waypoint,functions,k8s}/**/*.ts").scanSync({ cwd: root })]
    .filter((file) => !/\.test\.ts$|_pb\.d\.ts$|_pb\.ts$|\.d\.ts$|^functions\/examples\//.test(file))
    .filter((file) => transpiler.transformSync(readFileSync(join(root, file), "utf8")).trim() !== "")
    .sort();
}

if (import.meta.main) {
  const gaps = judgeCoverage(process.argv.slice(2));
  for (const gap of gaps) console.error(gap);
  process.exit(gaps.length === 0 ? 0 : 1);
}
