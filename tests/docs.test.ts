/** Runs the guides: each fenced block marked `run`, in order, in one shell a guide, on a host of its own; what follows as `output` must come out. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { findKubernetesProgram, findOldKubectl, howToGetPeers } from "./support/kube-peers.ts";
import { openTestHost, type TestHost } from "./support/test-host.ts";

const root = join(import.meta.dir, "..");
const guides = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));

interface Step {
  readonly line: number;
  readonly script: string;
  /** Lines that must come out, in this order; `…` stands for anything. */
  readonly output: readonly string[];
}

let host: TestHost;
beforeAll(async () => {
  host = await openTestHost();
  // The guides use the default folders: here they are the host's own.
  for (const folder of ["/run/lambient", "/var/lib/lambient"]) {
    mkdirSync(folder, { recursive: true });
    await host.run(["mount", "-t", "tmpfs", "-o", "mode=700", "none", folder]);
  }
  const bin = join(host.dir, "bin");
  mkdirSync(bin);
  writeFileSync(
    join(bin, "lambient"),
    `#!/bin/sh\nexec ${process.execPath} ${root}/runtime/cli/main.ts "$@"\n`,
  );
  chmodSync(join(bin, "lambient"), 0o755);
  if (kubectl !== undefined) symlinkSync(kubectl, join(bin, "kubectl"));
});
afterAll(() => host.close());

/** The marked blocks of a guide, each with the output that is promised after it. */
function stepsOf(text: string, language: string): Step[] {
  const steps: Step[] = [];
  for (const block of text.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)) {
    const [, mark = "", body = ""] = block;
    const line = text.slice(0, block.index).split("\n").length;
    if (mark === language) steps.push({ line, script: body, output: [] });
    const last = steps.at(-1);
    if (mark === "text output" && last !== undefined) {
      steps[steps.length - 1] = { ...last, output: body.split("\n").filter((wanted) => wanted !== "") };
    }
  }
  return steps;
}

/** Each step says on a line of its own where it begins, so that one shell keeps folder and variables and its output is still told apart. */
function scriptOf(steps: readonly Step[]): string {
  return [
    "set -euo pipefail",
    ...steps.map(({ line, script }) => `printf '\\n@@ %s\\n' ${line}\n{\n${script}\n} 2>&1`),
  ].join("\n");
}

function outputsOf(said: string): ReadonlyMap<number, string> {
  const parts = said.split(/^@@ (\d+)\n/m);
  const outputs = new Map<number, string>();
  for (let i = 1; i < parts.length; i += 2) outputs.set(Number(parts[i]), parts[i + 1] ?? "");
  return outputs;
}

function missingLines(output: string, wanted: readonly string[]): string[] {
  const lines = output.split("\n").map((line) => line.trim());
  let from = 0;
  return wanted.filter((line) => {
    const pattern = new RegExp(`^${line.trim().split("…").map(escape).join(".*")}$`);
    const at = lines.findIndex((said, index) => index >= from && pattern.test(said.replaceAll(/ +/g, " ")));
    if (at < 0) return true;
    from = at + 1;
    return false;
  });
}

/** As a pattern that takes any number of spaces for one. */
function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll(/ +/g, " +");
}

async function run(steps: readonly Step[], cwd: string): Promise<void> {
  const result = await host.run(["bash", "-c", scriptOf(steps)], {
    cwd,
    env: { PATH: `${host.dir}/bin:${process.env["PATH"] ?? ""}`, NO_COLOR: "1" },
    timeoutMs: 100_000,
  });
  // A guide that stopped half-way leaves its mesh to none of the others.
  if (result.code !== 0) await host.run([join(host.dir, "bin/lambient"), "down"]);
  const outputs = outputsOf(result.stdout);
  const failures = steps.flatMap(({ line, output }) =>
    missingLines(outputs.get(line) ?? "", output).map(
      (wanted) => `line ${line} does not say: ${wanted}\n${outputs.get(line) ?? "it was not reached"}`,
    ),
  );
  expect(failures).toEqual([]);
  expect({ code: result.code, stderr: result.stderr }).toEqual({ code: 0, stderr: "" });
}

/** The newest there is: guides say nothing of an older one's ways. */
const kubectl = findKubernetesProgram("kubectl") ?? findOldKubectl();
const isRunnable = (guide: string): boolean =>
  kubectl !== undefined || !/^kubectl /m.test(readFileSync(join(root, "docs", guide), "utf8"));

for (const guide of guides) {
  const why = isRunnable(guide) ? "" : ` (no kubectl on this machine; ${howToGetPeers})`;
  test.skipIf(!isRunnable(guide))(
    `docs/${guide} does what it says${why}`,
    async () => {
      const steps = stepsOf(readFileSync(join(root, "docs", guide), "utf8"), "sh run");
      expect(steps.length).toBeGreaterThan(1);
      await run(steps, mkdtempSync(join(host.dir, "guide-")));
    },
    120_000,
  );
}

test("the tour of README.md runs", async () => {
  const text = readFileSync(join(root, "README.md"), "utf8");
  const tour = text.slice(text.indexOf("## A tour"), text.indexOf("## Read on"));
  // As a user types it, in the repository: `bun lambient …`.
  await run(stepsOf(tour, "sh"), root);
}, 120_000);
