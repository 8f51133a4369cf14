/** Structured log lines on standard error: an event's name and its fields, as text or JSON. Not the access log's format, which is fixed by Istio. */

/** In order of urgency. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Values a log line may carry; secrets have no place here. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Writes events. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** How a program logs. */
export interface LogOptions {
  /** The program's name, first in each line. */
  readonly program: string;
  readonly level: LogLevel;
  readonly format: "text" | "json";
  /** Where whole lines go, newline included. */
  readonly write: (line: string) => void;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
}

const rank: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Opens a log. */
export function openLog(options: LogOptions): Log {
  const at =
    (level: LogLevel) =>
    (event: string, fields: LogFields = {}): void => {
      if (rank[level] < rank[options.level]) return;
      const time = new Date(options.nowMs()).toISOString();
      options.write(
        options.format === "json"
          ? jsonLine(options.program, level, time, event, fields)
          : textLine(options.program, level, time, event, fields),
      );
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** A log that says nothing, for tests that do not read it. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

function jsonLine(
  ...[scope, level, time, message, fields]: [string, LogLevel, string, string, LogFields]
): string {
  return `${JSON.stringify({ time, level, scope, message, ...fields })}\n`;
}

function textLine(
  ...[scope, level, time, message, fields]: [string, LogLevel, string, string, LogFields]
): string {
  let line = `${time}\t${level}\t${scope}\t${message}`;
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) line += ` ${name}=${typeof value === "string" ? JSON.stringify(value) : value}`;
  }
  return `${line}\n`;
}
