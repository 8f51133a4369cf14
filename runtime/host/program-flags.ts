/** How every program reads its flags: what all of them know, and which of flag, environment and default counts. What a text means is the program's to check. */
import { parseArgs } from "node:util";
import { err, ok, type Result } from "#core/result.ts";
import { errorText } from "./mesh-error.ts";

/** The flags of every program with their defaults. */
export const commonFlags = {
  "run-dir": "/run/lambient",
  "data-dir": "/var/lib/lambient",
  "trust-domain": "cluster.local",
  node: "node-0",
  "log-level": "info",
  "log-format": "text",
} as const;

/** The variable of a flag: `LAMBIENT_RUN_DIR` for `run-dir`. */
export function variableOf(flag: string): string {
  return `LAMBIENT_${flag.toUpperCase().replaceAll("-", "_")}`;
}

/** The text of each flag: what was given, else its variable's, else its default. @returns an error when the arguments are not flags of these names */
export function readTexts<Flag extends string>(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  defaults: Readonly<Record<Flag, string>>,
): Result<Readonly<Record<Flag, string>>> {
  const flags = Object.keys(defaults) as Flag[]; // Sound: these are its keys.
  const options = Object.fromEntries(flags.map((flag) => [flag, { type: "string" as const }]));
  try {
    const { values } = parseArgs({ args: [...argv], options, strict: true, allowPositionals: false });
    const texts = flags.map((flag) => [
      flag,
      values[flag] ?? environment[variableOf(flag)] ?? defaults[flag],
    ]);
    // Sound: every option is a string, and each flag has a default.
    return ok(Object.fromEntries(texts) as Record<Flag, string>);
  } catch (error) {
    return err(`Cannot read the arguments as flags: ${errorText(error)}`);
  }
}
