import { expect, test } from "bun:test";
import { buildCommands } from "./commands.ts";
import type { Console } from "./console.ts";
import { runCommand } from "./run-command.ts";

function consoleWith(has: { readonly colour: boolean; readonly errorColour: boolean }): {
  readonly console: Console;
  readonly told: { out: string; err: string };
} {
  const told = { out: "", err: "" };
  const console: Console = {
    out: (text) => (told.out += String(text)),
    err: (text) => (told.err += text),
    env: { LAMBIENT_RUN_DIR: "/nowhere" },
    cwd: "/",
    hasColour: has.colour,
    hasErrorColour: has.errorColour,
  };
  return { console, told };
}

const plain = consoleWith({ colour: false, errorColour: false });
const commands = buildCommands(plain.console, () => {}).commands;

test.each(["up", "down", "status", "deploy", "list", "invoke", "logs", "trace", "delete", "label"])(
  "%s has --help, says what it does, and tells its result as JSON",
  (name) => {
    const command = commands.find((each) => each.name() === name);
    expect(command?.description()).not.toBe("");
    expect(command?.helpInformation()).toContain("--help");
    const output = command?.options.find(({ long }) => long === "--output");
    expect(output).toMatchObject({ short: "-o", argChoices: ["table", "json", "yaml"] });
  },
);

test.each([
  [{ colour: true, errorColour: false }, "error: Cannot reach"],
  [{ colour: false, errorColour: true }, "\u001B[31merror:\u001B[0m Cannot reach"],
])("an error is in colour when its own stream is a terminal: %p", async (has, start) => {
  const { console, told } = consoleWith(has);
  expect(await runCommand(console, ["status"])).toBe(1);
  expect(told.err).toStartWith(start);
  expect(told.out).toBe("");
});
