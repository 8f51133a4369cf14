/** `npm test`: every suite in the order in which failures say most, each in a process of its own; the last line is `N passed, N failed`. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { judgeCoverage } from "./coverage.ts";

/** Tests that belong together. */
interface Suite {
  readonly name: string;
  readonly paths: readonly string[];
  /** Makes namespaces, mounts and control groups. */
  readonly needsRoot: boolean;
  /** Its own process runs sources, so that its coverage counts. */
  readonly isMeasured: boolean;
}

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const root = join(import.meta.dir, "..");

const suites: readonly Suite[] = [
  { name: "architecture", paths: ["tests/architecture.test.ts"], needsRoot: false, isMeasured: false },
  {
    name: "units",
    paths: ["runtime", "ztunnel", "waypoint", "functions", "k8s", "scripts", "tests/bench"],
    needsRoot: true,
    isMeasured: true,
  },
  { name: "fuzz", paths: ["tests/fuzz"], needsRoot: false, isMeasured: true },
  { name: "contract", paths: ["tests/contract"], needsRoot: false, isMeasured: true },
  { name: "support", paths: ["tests/support"], needsRoot: true, isMeasured: true },
  { name: "direct", paths: ["tests/direct"], needsRoot: true, isMeasured: true },
  { name: "netns", paths: ["tests/netns"], needsRoot: true, isMeasured: true },
  { name: "e2e", paths: ["tests/e2e"], needsRoot: true, isMeasured: false },
  { name: "kubectl", paths: ["tests/kubectl"], needsRoot: true, isMeasured: false },
  { name: "docs", paths: ["tests/docs.test.ts"], needsRoot: true, isMeasured: false },
];

/** A test that takes longer than this hangs. */
const testTimeoutMs = 120_000;

const wanted = process.argv.slice(2);
const isWhole = wanted.length === 0;
const chosen: readonly Suite[] = isWhole
  ? suites
  : [{ name: "chosen", paths: wanted, needsRoot: false, isMeasured: false }];
const coverageDir = mkdtempSync(join(tmpdir(), "lambient-coverage-"));
const reports: string[] = [];
const total = { passed: 0, failed: 0, skipped: 0 };
const reasons: string[] = [];
for (const suite of chosen) {
  const paths = suite.paths.filter((path) => existsSync(join(root, path)));
  if (paths.length === 0) continue;
  if (suite.needsRoot && !canMakeNamespaces()) {
    reasons.push(`${suite.name}: needs root on Linux; run npm test with sudo`);
    total.skipped++;
    continue;
  }
  console.error(`\n== ${suite.name} (${paths.join(" ")})`);
  const reportDir = suite.isMeasured ? join(coverageDir, suite.name) : undefined;
  const counts = await run(paths, reportDir);
  if (reportDir !== undefined) reports.push(join(reportDir, "lcov.info"));
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
}
if (isWhole && total.failed === 0) judge();
rmSync(coverageDir, { recursive: true, force: true });
for (const reason of reasons) console.error(`SKIPPED ${reason}`);
if (total.skipped > 0) console.error(`${total.skipped} skipped: see the reasons above`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);

function canMakeNamespaces(): boolean {
  return process.platform === "linux" && process.getuid?.() === 0;
}

/** Coverage counts as one test, judged only when every suite ran and passed: else it would tell what is known already. */
function judge(): void {
  if (total.skipped > 0) {
    reasons.push("coverage: not every test ran");
    return;
  }
  console.error("\n== coverage");
  const gaps = judgeCoverage(reports);
  for (const gap of gaps) console.error(gap);
  if (gaps.length === 0) total.passed++;
  else total.failed++;
}

async function run(paths: readonly string[], reportDir: string | undefined): Promise<Counts> {
  // Bun takes what does not begin with ./ for a filter on all files below the folder.
  const argv = [
    process.execPath,
    "test",
    "--timeout",
    String(testTimeoutMs),
    ...(reportDir === undefined
      ? []
      : ["--coverage", "--coverage-reporter=lcov", `--coverage-dir=${reportDir}`]),
    ...paths.map((path) => `./${path}`),
  ];
  const child = Bun.spawn(argv, { cwd: root, stdout: "inherit", stderr: "pipe" });
  const said = await pass(child.stderr);
  const code = await child.exited;
  const counts = readCounts(said);
  if (code === 0) return counts;
  // A suite that ends badly without a failed test crashed, or loaded nothing.
  return { ...counts, failed: Math.max(1, counts.failed) };
}

/** Shows a stream and keeps its end. */
async function pass(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let end = "";
  for await (const bytes of stream) {
    process.stderr.write(bytes);
    end = (end + decoder.decode(bytes, { stream: true })).slice(-4096);
  }
  return end;
}

function readCounts(said: string): Counts {
  const count = (word: string): number =>
    Number(new RegExp(`^\\s*(\\d+) ${word}$`, "m").exec(said)?.[1] ?? 0);
  return { passed: count("pass"), failed: count("fail"), skipped: count("skip") + count("todo") };
}
