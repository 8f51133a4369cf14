import { expect, test } from "bun:test";
import { buildCommands } from "./commands.ts";
import { formatCompletion } from "./completion.ts";
import type { Console } from "./console.ts";

const console: Console = { out() {}, err() {}, env: {}, cwd: "/", hasColour: false, hasErrorColour: false };
const commands = buildCommands(console, () => {});

test("bash completes commands, and flags of a command", async () => {
  const script = formatCompletion(commands, "bash");
  const ask = (...words: string[]): string => {
    const list = words.map((word) => `"${word}"`).join(" ");
    const run = Bun.spawnSync([
      "bash",
      "-c",
      `${script}\nCOMP_WORDS=(lambient ${list}); COMP_CWORD=${words.length}; _lambient; echo "\${COMPREPLY[*]}"`,
    ]);
    expect(run.stderr.toString()).toBe("");
    return run.stdout.toString().trim();
  };
  expect(ask("de")).toBe("deploy delete");
  expect(ask("status", "--out")).toBe("--output");
  expect(ask("up", "--node")).toBe("--node --node-range");
});

test.each(["zsh", "fish"])("%s is told every command", (shell) => {
  const script = formatCompletion(commands, shell);
  for (const command of commands.commands) expect(script).toContain(command.name());
  const interpreter = Bun.which(shell);
  if (interpreter === null) return; // its syntax is checked where the shell is
  expect(Bun.spawnSync([interpreter, "-n", "/dev/stdin"], { stdin: Buffer.from(script) }).exitCode).toBe(0);
});

test("another shell is refused", () => {
  expect(() => formatCompletion(commands, "tcsh")).toThrow(
    'Cannot complete for the shell "tcsh": known are bash, zsh, fish',
  );
});
