/** What several commands are built from: flags with one meaning everywhere, and how numbers are read. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Console } from "./console.ts";
import { defaultRunDir } from "./mesh-paths.ts";
import { outputFormats } from "./output.ts";

/** Adds a command to the command line. */
export type CommandMaker = (line: string, description: string) => Command;

/** Sets the exit code of a command that ran but found something not as it should be. */
export type SetExitCode = (code: number) => void;

/** `--run-dir`, which says which mesh is meant. */
export function runDirOption(console: Console): Option {
  const fallback = console.env["LAMBIENT_RUN_DIR"] ?? defaultRunDir;
  return new Option("--run-dir <folder>", "run folder of the mesh (LAMBIENT_RUN_DIR)").default(fallback);
}

/** `-o`, the form of the result. */
export function outputOption(): Option {
  return new Option("-o, --output <format>", "form of the result").choices(outputFormats).default("table");
}

/** Reads a flag's value. @throws InvalidArgumentError, which commander shows with the flag's name */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

/** Collects a flag that may be given several times. */
export function repeated(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}
