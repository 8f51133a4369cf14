/** What can be told wrong of a frame by its nine-byte header alone (RFC 9113 §4.2, §6); no connection state. */
import { errorCodes } from "./error-code.ts";
import { frameFlags, frameTypes } from "./frame.ts";
import type { Violation } from "./settings.ts";

/** A frame's header, taken apart. */
export interface FrameHeader {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly length: number;
}

/** More parameters than a lawful peer has reason to send at once; each would cost us work. */
const settingsBytesMax = 6 * 64;

/** GOAWAY's fixed part; debug data follows. */
const goawayBytesMin = 8;

/** Finds the rule a frame header breaks, as a connection error; undefined when it breaks none. */
export function findViolation(header: FrameHeader): Violation | undefined {
  return rules[header.type]?.(header);
}

/** The rule of each known type, by its number. */
const rules: readonly ((header: FrameHeader) => Violation | undefined)[] = [
  (data) => onStream(data, true),
  (headers) => onStream(headers, true),
  (priority) => onStream(priority, true) ?? exactLength(priority, 5),
  (rstStream) => onStream(rstStream, true) ?? exactLength(rstStream, 4),
  (settings) => onStream(settings, false) ?? settingsLength(settings),
  () => ({ code: errorCodes.protocolError, message: "Cannot take PUSH_PROMISE as lawful: push is disabled" }),
  (ping) => onStream(ping, false) ?? exactLength(ping, 8),
  (goaway) => onStream(goaway, false) ?? atLeast(goaway, goawayBytesMin),
  (windowUpdate) => exactLength(windowUpdate, 4),
  (continuation) => onStream(continuation, true),
];

/** A frame type's name in the RFC's spelling. */
export function formatFrameType(type: number): string {
  const found = Object.entries(frameTypes).find(([, value]) => value === type);
  if (found === undefined) return `frame type 0x${type.toString(16)}`;
  return found[0].replace(/[A-Z]/g, "_$&").toUpperCase();
}

function onStream(header: FrameHeader, wanted: boolean): Violation | undefined {
  if ((header.streamId !== 0) === wanted) return undefined;
  const place = wanted ? "on a stream" : "on stream 0";
  return {
    code: errorCodes.protocolError,
    message: `Cannot take ${formatFrameType(header.type)} as ${place}: stream ${header.streamId}`,
  };
}

function exactLength(header: FrameHeader, bytes: number): Violation | undefined {
  return header.length === bytes ? undefined : wrongLength(header, `${bytes} bytes`);
}

function atLeast(header: FrameHeader, bytes: number): Violation | undefined {
  return header.length >= bytes ? undefined : wrongLength(header, `at least ${bytes} bytes`);
}

function settingsLength(header: FrameHeader): Violation | undefined {
  if ((header.flags & frameFlags.ack) !== 0) return exactLength(header, 0);
  if (header.length % 6 !== 0) return wrongLength(header, "a multiple of 6 bytes");
  if (header.length <= settingsBytesMax) return undefined;
  return {
    code: errorCodes.enhanceYourCalm,
    message: `Cannot take SETTINGS as at most ${settingsBytesMax} bytes: ${header.length}`,
  };
}

function wrongLength(header: FrameHeader, wanted: string): Violation {
  return {
    code: errorCodes.frameSizeError,
    message: `Cannot take ${formatFrameType(header.type)} as ${wanted}: ${header.length}`,
  };
}
