/** What stands before the bytes of a server's WebSocket frame (RFC 6455 §5.2); servers do not mask. */

/** The head of a frame that is a message of its own. */
export function encodeFrameHead(code: number, length: number): Uint8Array {
  const head = new Uint8Array(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  const view = new DataView(head.buffer);
  head[0] = 0x80 | code;
  head[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
  if (head.length === 4) view.setUint16(2, length);
  if (head.length === 10) view.setBigUint64(2, BigInt(length));
  return head;
}

/** The payload of a closing frame. */
export function encodeCloseCode(code: number): Uint8Array {
  return Uint8Array.of(code >> 8, code & 0xff);
}
