/** `lambient up`: the supervisor in the foreground until it is told to stop, or started in the background. */
import { closeSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "#host/clock.ts";
import { type Log, openLog } from "#host/log.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import type { Console } from "./console.ts";
import { type MeshPaths, meshPaths } from "./mesh-paths.ts";
import { type OutputFormat, printResult } from "./output.ts";
import { askSupervisor } from "./supervisor-client.ts";
import {
  environmentName,
  flagName,
  type MeshConfig,
  meshDefaults,
  parseMeshConfig,
  type RawMeshConfig,
} from "./supervisor/mesh-config.ts";
import { openProgramLog, type ProgramLog } from "./supervisor/program-log.ts";
import { type MeshEndpoints, type MeshStatus, Supervisor } from "./supervisor/supervisor.ts";

/** The command's flags beyond those of {@link MeshConfig}. */
export interface UpFlags {
  /** Returns once the mesh runs. */
  readonly detach: boolean;
  /** Shows the supervisor's log. */
  readonly verbose: boolean;
  /** How it says that the mesh runs, and where. */
  readonly format: OutputFormat;
}

const packageRoot = fileURLToPath(new URL("../../", import.meta.url));
/** How long a mesh in the background may take to come up: more than its programs together may. */
const detachedReadyMs = 130_000;
const askEveryMs = 50;

/** Runs the command; settles when the mesh has ended, or runs in the background. */
export async function up(console: Console, flags: RawMeshConfig, how: UpFlags): Promise<void> {
  const read = parseMeshConfig({ ...fromEnvironment(console.env), ...flags });
  if (!read.ok) throw new MeshError("bad-input", read.error.join("\n"));
  await (how.detach
    ? upInBackground(console, read.value, how.format)
    : upInForeground(console, read.value, how));
}

async function upInForeground(
  console: Console,
  config: MeshConfig,
  { verbose: isVerbose, format }: UpFlags,
): Promise<void> {
  const paths = meshPaths(config.runDir, config.dataDir);
  const stop = Promise.withResolvers<string>();
  const held: { file: ProgramLog | undefined } = { file: undefined };
  const log = supervisorLog(console, config, isVerbose, held);
  const supervisor = new Supervisor({
    config,
    clock: systemClock,
    log,
    env: passedOn(console.env),
    programsRoot: packageRoot,
    ...(isVerbose ? { onOutput: (_: string, text: string) => console.err(text) } : {}),
    onStep(step) {
      // Only now is the data folder known to be usable.
      if (step === "tokens") held.file = openProgramLog(join(paths.systemLogsDir, "supervisor.log"));
      log.info("step", { step });
    },
    onStopAsked: () => stop.resolve("lambient down"),
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => stop.resolve(signal));
  const started = supervisor.start();
  started.catch(() => {}); // awaited below, unless the stop comes first
  const first = await Promise.race([started, stop.promise]);
  if (typeof first !== "string") describe(console, config, { endpoints: first, format });
  const why = typeof first === "string" ? first : await stop.promise;
  console.err(`Stopping (${why}) …\n`);
  await supervisor.stop();
  console.err("Stopped: nothing of the mesh is left\n");
  held.file?.close();
}

async function upInBackground(console: Console, config: MeshConfig, format: OutputFormat): Promise<void> {
  const paths = meshPaths(config.runDir, config.dataDir);
  // What it says until it runs; not in the data folder, which may be the very thing that is wrong.
  const outFile = join(tmpdir(), `lambient-up-${process.pid}.log`);
  const output = openSync(outFile, "wx", 0o600);
  try {
    const flags = Object.keys(meshDefaults) as (keyof MeshConfig)[];
    const args = flags.flatMap((field) => [`--${flagName(field)}`, String(config[field])]);
    const child = Bun.spawn([process.execPath, join(packageRoot, "runtime/cli/main.ts"), "up", ...args], {
      stdio: ["ignore", output, output],
      env: process.env,
      detached: true,
    });
    const endpoints = await awaitRunning(child, paths);
    child.unref();
    if (endpoints !== undefined) return describe(console, config, { endpoints, format });
    const said = readFileSync(outFile, "utf8")
      .trim()
      .replace(/^error: /, "");
    throw new MeshError("unavailable", said === "" ? "Cannot start the mesh: it said nothing" : said);
  } finally {
    closeSync(output);
    rmSync(outFile, { force: true });
  }
}

/** Where the mesh is reached once it runs; undefined when its supervisor ended instead. */
async function awaitRunning(child: Bun.Subprocess, paths: MeshPaths): Promise<MeshEndpoints | undefined> {
  const deadline = systemClock.monotonicMs() + detachedReadyMs;
  while (child.exitCode === null && child.signalCode === null) {
    const status = await askSupervisor<MeshStatus>(paths, "status").catch(() => undefined);
    if (status?.pid === child.pid && status.endpoints !== undefined) return status.endpoints;
    if (systemClock.monotonicMs() > deadline) {
      child.kill("SIGTERM");
      throw new MeshError(
        "timeout",
        `Cannot start the mesh within ${detachedReadyMs} ms: look into its logs`,
      );
    }
    await Bun.sleep(askEveryMs);
  }
  return undefined;
}

interface Running {
  readonly endpoints: MeshEndpoints;
  readonly format: OutputFormat;
}

function describe(console: Console, config: MeshConfig, { endpoints, format }: Running): void {
  const { kubeconfig, systemLogsDir, dataDir } = meshPaths(config.runDir, config.dataDir);
  const data = { ...endpoints, kubeconfig, logs: systemLogsDir, data: dataDir, run: config.runDir };
  printResult(console, format, data, () =>
    [
      "The mesh runs.",
      `  API         ${endpoints.api}`,
      `  edge        ${endpoints.edge}   (Host: <function>.<namespace>)`,
      `  kubeconfig  ${kubeconfig}`,
      `  logs        ${systemLogsDir}`,
      `  data        ${dataDir}`,
      'Next: "lambient deploy <folder>", "lambient status"; end it with Ctrl-C or "lambient down".',
      "",
    ].join("\n"),
  );
}

function supervisorLog(
  ...[console, config, isVerbose, held]: [
    Console,
    MeshConfig,
    boolean,
    { readonly file: ProgramLog | undefined },
  ]
): Log {
  return openLog({
    program: "supervisor",
    level: config.logLevel,
    format: config.logFormat,
    nowMs: () => systemClock.nowMs(),
    write(line) {
      if (isVerbose) console.err(line);
      try {
        held.file?.append(line);
      } catch (error) {
        console.err(`Cannot write the supervisor's log: ${errorText(error)}\n`);
      }
    },
  });
}

function fromEnvironment(env: Console["env"]): RawMeshConfig {
  const fields = Object.keys(meshDefaults).map((field) => [field, env[environmentName(field)]] as const);
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined));
}

/** Settings of single programs that have no flag here. */
function passedOn(env: Console["env"]): Record<string, string> {
  const entries = Object.entries(env).flatMap(([name, value]): [string, string][] =>
    name.startsWith("LAMBIENT_") && value !== undefined ? [[name, value]] : [],
  );
  return Object.fromEntries(entries);
}
