/** What every bench shares: the shape of a row, the load generator's run and its figures, pins, percentiles. Measures nothing itself. */
import { readFileSync } from "node:fs";

/** One compared figure; `ratio` is above 1 where ours is better. */
export interface BenchRow {
  readonly name: string;
  readonly ours: number;
  /** A bar, said in the name, where there is no peer; 0, and so the ratio, where a figure stands alone. */
  readonly peer: number;
  readonly ratio: number;
  readonly unit: string;
}

/** What a bench is told. */
export interface BenchOptions {
  /** How often each side is run, in turns. */
  readonly runs: number;
  /** Says what is run and what came out; goes to standard error. */
  readonly log: (line: string) => void;
  /** Folder for what is fetched or built once; ignored by git. */
  readonly cacheDir: string;
}

/** What a bench file exports as `run`. */
export type Bench = (options: BenchOptions) => Promise<readonly BenchRow[]>;

/** Makes a row; `better` says whether more (`higher`) or less (`lower`) is better. */
export function benchRow(
  name: string,
  figures: { readonly ours: number; readonly peer: number },
  unit: string,
  better: "higher" | "lower",
): BenchRow {
  const { ours, peer } = figures;
  const ratio = better === "higher" ? ours / peer : peer / ours;
  return { name, ours: round(ours), peer: round(peer), ratio: round(ratio), unit };
}

/** The value below which `share` (0..1) of the samples lie, by nearest rank; NaN of nothing. */
export function percentile(samples: readonly number[], share: number): number {
  if (samples.length === 0) return Number.NaN;
  const sorted = samples.toSorted((a, b) => a - b);
  const rank = Math.min(sorted.length, Math.max(1, Math.ceil(share * sorted.length)));
  return sorted[rank - 1] ?? Number.NaN;
}

/** The middle run of several. */
export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}

/** Puts a command on the given cores, where `taskset` is there. */
export function pinned(cores: string, argv: readonly string[]): string[] {
  return Bun.which("taskset") === null ? [...argv] : ["taskset", "-c", cores, ...argv];
}

/** How wrk is run. */
export interface WrkOptions {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly threads?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A Lua file that makes the requests. */
  readonly script?: string;
  /** Cores it may use, as `taskset -c` takes them. */
  readonly cores?: string;
  /** Starts it elsewhere, say in another namespace; default `Bun.spawn`. */
  readonly spawn?: (argv: string[]) => {
    readonly stdout: ReadableStream<Uint8Array>;
    readonly exited: Promise<number>;
  };
}

/** What wrk found. */
export interface WrkFigures {
  readonly command: string;
  readonly requests: number;
  readonly requestsPerS: number;
  readonly bytesPerS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Socket errors and statuses outside 2xx and 3xx. */
  readonly errors: number;
}

/** Runs wrk once. @throws Error when it fails or its output is not understood. */
export async function runWrk(options: WrkOptions): Promise<WrkFigures> {
  const argv = [
    "wrk",
    `-t${options.threads ?? 1}`,
    `-c${options.connections}`,
    `-d${options.seconds}s`,
    "--latency",
  ];
  for (const [name, value] of Object.entries(options.headers ?? {})) argv.push("-H", `${name}: ${value}`);
  if (options.script !== undefined) argv.push("-s", options.script);
  argv.push(options.url);
  const command = options.cores === undefined ? argv : pinned(options.cores, argv);
  const spawn = options.spawn ?? ((line) => Bun.spawn(line, { stdout: "pipe", stderr: "inherit" }));
  const child = spawn(command);
  const output = await new Response(child.stdout).text();
  const code = await child.exited;
  if (code !== 0) throw new Error(`Cannot measure with "${command.join(" ")}": it ended with ${code}`);
  return parseWrk(command.join(" "), output);
}

/** Reads wrk's report. @throws Error naming what is missing. */
export function parseWrk(command: string, output: string): WrkFigures {
  const find = (pattern: RegExp): string => {
    const text = pattern.exec(output)?.[1];
    if (text === undefined)
      throw new Error(`Cannot read wrk's report as figures: no ${pattern} in ${output}`);
    return text;
  };
  const sockets = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output);
  const statuses = /Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? "0";
  const socketErrors = (sockets ?? []).slice(1).reduce((sum, count) => sum + Number(count), 0);
  return {
    command,
    requests: Number(find(/(\d+) requests in /)),
    requestsPerS: Number(find(/Requests\/sec:\s+([\d.]+)/)),
    bytesPerS: parseBytes(find(/Transfer\/sec:\s+([\d.]+[KMGT]?B)/)),
    p50Ms: parseMs(find(/\n\s+50%\s+([\d.]+(?:us|ms|s|m))/)),
    p99Ms: parseMs(find(/\n\s+99%\s+([\d.]+(?:us|ms|s|m))/)),
    errors: socketErrors + Number(statuses),
  };
}

/** Installs Debian packages whose command is absent; as root only. @throws Error saying what to install. */
export async function needCommand(command: string, packages: readonly string[]): Promise<void> {
  if (Bun.which(command) !== null) return;
  const install = ["apt-get", "install", "-y", "--no-install-recommends", ...packages];
  const canInstall = process.getuid?.() === 0 && Bun.which("apt-get") !== null;
  if (canInstall && (await Bun.spawn(install, { stdout: "ignore", stderr: "inherit" }).exited) === 0) return;
  throw new Error(`Cannot run the bench without "${command}": not found; run "${install.join(" ")}" as root`);
}

/** Resident memory of a process in MB, or 0 when it is gone. */
export function residentMb(pid: number): number {
  try {
    const kb = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
    return round((Number(kb) * 1024) / 1e6);
  } catch {
    return 0; // it ended between the listing and the reading
  }
}

/** CPU seconds, user and system, that a process has used; 0 when it is gone. */
export function cpuSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    const ticksPerSecond = 100; // USER_HZ, fixed in Linux's ABI
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  } catch {
    return 0; // it ended between the listing and the reading
  }
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

function parseMs(text: string): number {
  const [, number, unit] = /^([\d.]+)(us|ms|s|m)$/.exec(text) ?? [];
  const scale = unit === "us" ? 0.001 : unit === "ms" ? 1 : unit === "s" ? 1000 : 60_000;
  return Number(number) * scale;
}

function parseBytes(text: string): number {
  const [, number, unit] = /^([\d.]+)([KMGT]?)B$/.exec(text) ?? [];
  return Number(number) * 1024 ** ["", "K", "M", "G", "T"].indexOf(unit ?? "");
}
