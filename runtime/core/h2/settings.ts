/** HTTP/2's SETTINGS (RFC 9113 §6.5): which values are lawful, and what a peer's list changes. */
import { err, ok, type Result } from "#core/result.ts";
import { errorCodes } from "./error-code.ts";
import { initialDefaults, int31Max, readUint32 } from "./frame.ts";

/** The parameters by name. */
export const settingIds = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
} as const;

/** What a peer has announced; it binds what we send. */
export interface PeerSettings {
  readonly headerTableBytes: number;
  readonly streamsMax: number;
  readonly windowBytes: number;
  readonly frameBytesMax: number;
  readonly headerListBytesMax: number;
}

/** What holds before the peer's first SETTINGS. */
export const initialPeerSettings: PeerSettings = {
  headerTableBytes: initialDefaults.headerTableBytes,
  streamsMax: int31Max,
  windowBytes: initialDefaults.windowBytes,
  frameBytesMax: initialDefaults.frameBytesMax,
  headerListBytesMax: int31Max,
};

/** A connection error: the code, and what was wrong. */
export interface Violation {
  readonly code: number;
  readonly message: string;
}

/** Applies a SETTINGS payload, whose length was checked, in order; unknown parameters are ignored. */
export function withSettings(
  before: PeerSettings,
  payload: Uint8Array,
  from: "client" | "server",
): Result<PeerSettings, Violation> {
  let settings = before;
  for (let at = 0; at + 6 <= payload.length; at += 6) {
    const id = ((payload[at] ?? 0) << 8) | (payload[at + 1] ?? 0);
    const applied = withSetting(settings, { id, value: readUint32(payload, at + 2), from });
    if (!applied.ok) return applied;
    settings = applied.value;
  }
  return ok(settings);
}

interface Setting {
  readonly id: number;
  readonly value: number;
  readonly from: "client" | "server";
}

function withSetting(before: PeerSettings, setting: Setting): Result<PeerSettings, Violation> {
  const { id, value } = setting;
  if (id === settingIds.headerTableSize) return ok({ ...before, headerTableBytes: value });
  if (id === settingIds.maxConcurrentStreams) return ok({ ...before, streamsMax: value });
  if (id === settingIds.maxHeaderListSize) return ok({ ...before, headerListBytesMax: value });
  if (id === settingIds.enablePush) {
    // A server has nothing to be pushed, so it may only say 0 (§6.5.2).
    const allowed = setting.from === "server" ? 0 : 1;
    return value <= allowed ? ok(before) : violation("ENABLE_PUSH", `at most ${allowed}`, value);
  }
  if (id === settingIds.initialWindowSize) {
    if (value <= int31Max) return ok({ ...before, windowBytes: value });
    return err({
      code: errorCodes.flowControlError,
      message: `Cannot take INITIAL_WINDOW_SIZE as at most ${int31Max}: ${value}`,
    });
  }
  if (id === settingIds.maxFrameSize) {
    if (value >= initialDefaults.frameBytesMax && value <= 0xff_ffff)
      return ok({ ...before, frameBytesMax: value });
    return violation("MAX_FRAME_SIZE", "16384 to 16777215", value);
  }
  return ok(before);
}

function violation(name: string, wanted: string, got: number): Result<never, Violation> {
  return err({ code: errorCodes.protocolError, message: `Cannot take ${name} as ${wanted}: ${got}` });
}
