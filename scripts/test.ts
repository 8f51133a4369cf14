/** `npm test`: every suite in the order in which failures say most, each in a process of its own; the last line is `N passed, N failed`. */
import { existsSync } from "node:fs";
import { join } from "node:path";

/** Tests that belong together. */
interface Suite {
  readonly name: string;
  readonly paths: readonly string[];
  /** Makes namespaces, mounts and control groups. */
  readonly needsRoot: boolean;
}

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const root = join(import.meta.dir, "..");

const suites: readonly Suite[] = [
  { name: "architecture", paths: ["tests/architecture.test.ts"], needsRoot: false },
  {
    name: "units",
    paths: ["runtime", "ztunnel", "waypoint", "functions", "k8s", "scripts", "tests/bench"],
    needsRoot: true,
  },
  { name: "fuzz", paths: ["tests/fuzz"], needsRoot: false },
  { name: "contract", paths: ["tests/contract"], needsRoot: false },
  { name: "support", paths: ["tests/support"], needsRoot: true },
  { name: "direct", paths: ["tests/direct"], needsRoot: true },
  { name: "netns", paths: ["tests/netns"], needsRoot: true },
  { name: "e2e", paths: ["tests/e2e"], needsRoot: true },
  { name: "docs", paths: ["tests/docs.test.ts"], needsRoot: true },
];

/** A test that takes longer than this hangs. */
const testTimeoutMs = 120_000;

const wanted = process.argv.slice(2);
const chosen = wanted.length === 0 ? suites : [{ name: "chosen", paths: wanted, needsRoot: false }];
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
  const counts = await run(paths);
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
}
for (const reason of reasons) console.error(`SKIPPED ${reason}`);
if (total.skipped > 0) console.error(`${total.skipped} skipped: see the reasons above`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);

function canMakeNamespaces(): boolean {
  return process.platform === "linux" && process.getuid?.() === 0;
}

async function run(paths: readonly string[]): Promise<Counts> {
  // Bun takes what does not begin with ./ for a filter on all files below the folder.
  const argv = [
    process.execPath,
    "test",
    "--timeout",
    String(testTimeoutMs),
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
