#!/usr/bin/env bun
/** The `lambient` command: reads the arguments, runs one command, turns what happened into an exit code. */
import { processConsole } from "./console.ts";
import { runCommand } from "./run-command.ts";

process.exit(await runCommand(processConsole(), process.argv.slice(2)));
