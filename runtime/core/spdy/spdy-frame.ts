/** SPDY/3 frames as bytes (SPDY/3 §2.6), for those that we send. */

/** The version in every control frame; 3.1, which only adds a window, says 3 too. */
export const spdyVersion = 3;

/** Types of control frames. */
export const controlType = {
  synStream: 1,
  synReply: 2,
  reset: 3,
  ping: 6,
  goAway: 7,
  headers: 8,
} as const;

/** Bits of a frame's flags. */
export const flag = { end: 1 } as const;

/** Why a stream is reset (SPDY/3 §2.6.3). */
export const resetStatus = {
  protocolError: 1,
  invalidStream: 2,
  refusedStream: 3,
  cancel: 5,
  internalError: 6,
} as const;

/** The longest payload of a data frame. */
export const dataBytesMax = 0xffffff;

/** Opens a stream. @param block its compressed headers */
export function encodeSynStream(streamId: number, block: Uint8Array, isEnd = false): Uint8Array {
  const payload = new Uint8Array(10 + block.length);
  new DataView(payload.buffer).setUint32(0, streamId);
  payload.set(block, 10);
  return control(controlType.synStream, isEnd ? flag.end : 0, payload);
}

/** Accepts a stream. @param block its compressed headers */
export function encodeSynReply(streamId: number, block: Uint8Array): Uint8Array {
  const payload = new Uint8Array(4 + block.length);
  new DataView(payload.buffer).setUint32(0, streamId);
  payload.set(block, 4);
  return control(controlType.synReply, 0, payload);
}

/** Ends a stream both ways. */
export function encodeReset(streamId: number, status: number): Uint8Array {
  return control(controlType.reset, 0, words(streamId, status));
}

/** Asks whether the peer lives, or answers that. */
export function encodePing(id: number): Uint8Array {
  return control(controlType.ping, 0, words(id));
}

/** Takes no more streams. */
export function encodeGoAway(lastStreamId: number, status: number): Uint8Array {
  return control(controlType.goAway, 0, words(lastStreamId, status));
}

/** What stands before the bytes of a data frame, of at most {@link dataBytesMax}. */
export function encodeDataHead(streamId: number, length: number, isEnd: boolean): Uint8Array {
  const head = new Uint8Array(8);
  const view = new DataView(head.buffer);
  view.setUint32(0, streamId);
  view.setUint32(4, length);
  head[4] = isEnd ? flag.end : 0;
  return head;
}

function control(type: number, flags: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(8 + payload.length);
  const view = new DataView(frame.buffer);
  view.setUint16(0, 0x8000 | spdyVersion);
  view.setUint16(2, type);
  view.setUint32(4, payload.length);
  frame[4] = flags;
  frame.set(payload, 8);
  return frame;
}

function words(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setUint32(4 * i, value));
  return bytes;
}
