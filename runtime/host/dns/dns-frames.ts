/** DNS messages over TCP: each behind its length in two bytes (RFC 1035 §4.2.2); what they say is read elsewhere. */

/** Puts a message behind its length. */
export function frameMessage(message: Uint8Array): Uint8Array {
  const framed = new Uint8Array(2 + message.length);
  framed[0] = message.length >> 8;
  framed[1] = message.length & 0xff;
  framed.set(message, 2);
  return framed;
}

/** Puts messages together from pieces. */
export class MessageReader {
  readonly #bytesMax: number;
  #rest: Uint8Array = new Uint8Array();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** @returns the messages that became whole; undefined when one says that it is too long. */
  push(bytes: Uint8Array): Uint8Array[] | undefined {
    let all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    const messages: Uint8Array[] = [];
    while (all.length >= 2) {
      const length = ((all[0] ?? 0) << 8) | (all[1] ?? 0);
      if (length > this.#bytesMax) return undefined;
      if (all.length < 2 + length) break;
      messages.push(all.slice(2, 2 + length));
      all = all.slice(2 + length);
    }
    this.#rest = all;
    return messages;
  }
}
