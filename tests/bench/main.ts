/** `bun run bench <name> [--json] [--runs n]`: runs one bench and prints its rows. Not part of the tests. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Bench, BenchRow } from "./bench.ts";

// Imported on demand, so that one bench does not load what another needs.
const benches: Readonly<Record<string, () => Promise<{ readonly run: Bench }>>> = {
  tunnel: () => import("./tunnel.ts"),
  coldstart: () => import("./coldstart.ts"),
  chain: () => import("./chain.ts"),
  api: () => import("./api.ts"),
  memory: () => import("./memory.ts"),
  enrol: () => import("./enrol.ts"),
};

const { values, positionals } = parseArgs({
  options: { json: { type: "boolean", default: false }, runs: { type: "string", default: "3" } },
  allowPositionals: true,
});
const name = positionals[0] ?? "";
const runs = Number(values.runs);
const load = benches[name];
if (load === undefined || positionals.length !== 1 || !Number.isInteger(runs) || runs < 1) {
  console.error(
    `Cannot run a bench as "${positionals.join(" ")}": use bun run bench <${Object.keys(benches).join("|")}> [--json] [--runs 3]`,
  );
  process.exit(2);
}
const cacheDir = join(import.meta.dir, "../../.cache/peers");
mkdirSync(cacheDir, { recursive: true });
const bench = await load();
const rows = await bench.run({ runs, log: (line) => console.error(line), cacheDir });
if (values.json) console.log(JSON.stringify(rows));
else print(rows);
process.exit(0);

function print(all: readonly BenchRow[]): void {
  const width = Math.max(4, ...all.map((row) => row.name.length));
  console.log(
    `${"name".padEnd(width)}  ${"ours".padStart(10)}  ${"peer".padStart(10)}  ${"ratio".padStart(6)}  unit`,
  );
  for (const row of all) {
    console.log(
      `${row.name.padEnd(width)}  ${String(row.ours).padStart(10)}  ${String(row.peer).padStart(10)}  ${String(row.ratio).padStart(6)}  ${row.unit}`,
    );
  }
}
