/** `npm run check`: the whole truth about the tree, cheapest first; stops at nothing, so that one run tells everything. */
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const bin = join(root, "node_modules/.bin");

const steps: readonly (readonly [name: string, argv: readonly string[]])[] = [
  ["types", [process.execPath, join(root, "node_modules/typescript-7/bin/tsc"), "--noEmit"]],
  ["lint", [join(bin, "oxlint"), "--type-aware"]],
  ["format", [join(bin, "oxfmt"), "--check"]],
  ["dead code", [join(bin, "knip")]],
  ["reference", [join(bin, "typedoc")]],
  ["tests", [process.execPath, join(root, "scripts/test.ts")]],
];

const failed: string[] = [];
for (const [name, argv] of steps) {
  console.error(`\n== ${name}`);
  const started = performance.now();
  const code = await Bun.spawn([...argv], { cwd: root, stdio: ["ignore", "inherit", "inherit"] }).exited;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.error(`${name}: ${code === 0 ? "good" : "NOT GOOD"} in ${seconds} s`);
  if (code !== 0) failed.push(name);
}
console.log(failed.length === 0 ? "All good" : `Not good: ${failed.join(", ")}`);
process.exit(failed.length === 0 ? 0 : 1);
