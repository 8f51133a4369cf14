/** `lambient logs`: what a function's instances wrote, dead ones included, and what they go on to write. */
import { systemClock } from "#host/clock.ts";
import { MeshError } from "#host/mesh-error.ts";
import { type MeshApi, openMeshApi } from "./api/mesh-api.ts";
import { type Console, paint } from "./console.ts";
import { type FunctionName, needFunction } from "./function-name.ts";
import { type OutputFormat, printResult } from "./output.ts";

/** The command's flags. */
export interface LogsOptions {
  readonly runDir: string;
  readonly format: OutputFormat;
  /** The last so many lines. */
  readonly tail: number;
  /** `90s`, `10m`, `2h`, `1d`; absent: from the beginning. */
  readonly since: string | undefined;
  /** Goes on until Ctrl-C. */
  readonly follow: boolean;
}

interface LogLine {
  readonly atMs: number;
  readonly instance: string;
  readonly revision: string;
  readonly stream: "stdout" | "stderr";
  readonly text: string;
}

interface LogAnswer {
  readonly lines: readonly LogLine[];
  readonly cursor: string;
}

/** How long one question waits for a new line. */
const waitMs = 15_000;

/** Runs the command. */
export async function logs(console: Console, target: FunctionName, options: LogsOptions): Promise<void> {
  const api = openMeshApi(options.runDir);
  await needFunction(api, target);
  const query: Record<string, string> = { tail: String(options.tail) };
  if (options.since !== undefined)
    query["sinceMs"] = String(systemClock.nowMs() - parseDuration(options.since));
  let answer = await ask(api, target, query);
  if (!options.follow) {
    printResult(console, options.format, answer.lines, () =>
      answer.lines.map((line) => format(console, line)).join(""),
    );
    return;
  }
  for (;;) {
    for (const line of answer.lines) print(console, options.format, line);
    answer = await ask(api, target, { cursor: answer.cursor, waitMs: String(waitMs) });
  }
}

/** Milliseconds of `90s`, `10m`, `2h` or `1d`. @throws MeshError `bad-input` */
export function parseDuration(text: string): number {
  const [, number, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
  if (number === undefined || unit === undefined) {
    throw new MeshError("bad-input", `Cannot read "${text}" as a duration: write 90s, 10m, 2h or 1d`);
  }
  return Number(number) * (units[unit] ?? 0);
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

async function ask(
  api: MeshApi,
  target: FunctionName,
  query: Readonly<Record<string, string>>,
): Promise<LogAnswer> {
  const params = new URLSearchParams({ namespace: target.namespace, function: target.name, ...query });
  return (await api.json({ path: `/lambient/v1/logs?${params.toString()}` })) as LogAnswer;
}

/** While following, every line is a result of its own. */
function print(console: Console, outputFormat: OutputFormat, line: LogLine): void {
  console.out(outputFormat === "table" ? format(console, line) : `${JSON.stringify(line)}\n`);
}

function format(console: Console, { atMs, instance, revision, stream, text }: LogLine): string {
  const head = `${new Date(atMs).toISOString()} ${revision} ${instance}`;
  return `${paint(console, "dim", head)} ${stream === "stderr" ? paint(console, "waiting", text) : text}\n`;
}
