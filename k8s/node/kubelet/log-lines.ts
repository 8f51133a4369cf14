/** Lines of a container's log as they lie on disk, in the form of the container runtime interface: time, stream, whole or part, text. Pure. */
import type { ContainerLogLine } from "./container-access.ts";

/** Which stream. */
export type LogStream = ContainerLogLine["stream"];

/** Longest text of one line on disk; what is longer goes on in the next. */
export const lineBytesMax: number = 16 << 10;

const newline = 10;

/** Writes what a stream gave as lines: each newline ends a whole one, and what is left is a part that the next bytes go on from. */
export function formatLines(stream: LogStream, bytes: Uint8Array, time: string): Buffer {
  const head = Buffer.from(`${time} ${stream} `);
  const whole = Buffer.from("F ");
  const part = Buffer.from("P ");
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(newline, at);
    const stop = end < 0 ? bytes.length : end;
    const cut = cutBefore(bytes, at, stop);
    const isWhole = end >= 0 && cut === end;
    pieces.push(head, isWhole ? whole : part, bytes.subarray(at, cut), Uint8Array.of(newline));
    at = isWhole ? cut + 1 : cut;
  }
  return Buffer.concat(pieces);
}

/** Where a piece that begins at `from` ends: at `to`, or earlier, not within a UTF-8 character. */
function cutBefore(bytes: Uint8Array, from: number, to: number): number {
  if (to - from <= lineBytesMax) return to;
  let cut = from + lineBytesMax;
  for (let i = 0; i < 3 && ((bytes[cut] ?? 0) & 0xc0) === 0x80; i++) cut--;
  return cut;
}

/** Reads a line; undefined for one that was damaged. */
export function parseLogLine(line: string): ContainerLogLine | undefined {
  const match = /^(\S+) (stdout|stderr) ([FP]) ?/.exec(line);
  if (match === null) return undefined;
  const [head, time = "", stream, mark] = match;
  return {
    time,
    stream: stream === "stderr" ? "stderr" : "stdout",
    text: line.slice(head.length),
    isWhole: mark === "F",
  };
}

/** An instant with nine digits behind the second; what the clock does not tell is zero. */
export function formatNanoTime(atMs: number): string {
  const millis = Math.floor(atMs);
  const micros = Math.floor((atMs - millis) * 1000);
  return `${new Date(millis).toISOString().slice(0, 23)}${String(micros).padStart(3, "0")}000Z`;
}
