/** Runs a command line to its exit code: 0 it was done, 1 it failed, 2 it was asked in a way that cannot be understood. */
import { CommanderError } from "commander";
import { errorText, meshErrorCode } from "#host/mesh-error.ts";
import { buildCommands } from "./commands.ts";
import { type Console, paintError } from "./console.ts";

/** Runs the arguments after the program's name. */
export async function runCommand(console: Console, args: readonly string[]): Promise<number> {
  const outcome = { code: 0 };
  const commands = buildCommands(console, (code) => (outcome.code = code));
  try {
    await commands.parseAsync(args, { from: "user" });
    return outcome.code;
  } catch (error) {
    return report(console, error);
  }
}

function report(console: Console, error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // commander has said it already
  console.err(`${paintError(console, "bad", "error:")} ${errorText(error)}\n`);
  return meshErrorCode(error) === "bad-input" ? 2 : 1;
}
