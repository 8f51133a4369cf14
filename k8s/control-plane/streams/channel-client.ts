/** A command's client over WebSocket: messages of a channel each, whose number is their first byte (remotecommand's channel.k8s.io, v4 and v5). */
import type { ByteStream } from "#host/byte-stream.ts";
import type { ClientHandler, CommandClient, CommandStreams } from "./command-client.ts";
import { type CommandStatus, type EndForm, endText } from "./command-status.ts";
import { parseSizeText } from "./size-text.ts";
import { closeCode, type MessagePart, WebSocketPeer } from "./websocket-peer.ts";

/** How a subprotocol writes its messages and ends. */
export interface ChannelForm {
  /** In base64 in text messages, behind the channel's digit. */
  readonly isBase64: boolean;
  readonly endForm: EndForm;
  /** The client can end a channel by a signal of its own (v5), and waits for no greeting. */
  readonly hasClose: boolean;
}

const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, size: 4, close: 255 } as const;
const zero = 0x30;
/** Of a message that must be whole to be understood. */
const wholeBytesMax = 1 << 20;
const nothing = new Uint8Array(0);

/** Takes over a connection. */
export function openChannelClient(
  connection: { readonly stream: ByteStream; readonly rest: Uint8Array },
  wanted: CommandStreams,
  form: ChannelForm,
): CommandClient {
  return new ChannelClient(connection, wanted, form);
}

class ChannelClient implements CommandClient {
  readonly #peer: WebSocketPeer;
  readonly #rest: Uint8Array;
  readonly #wanted: CommandStreams;
  readonly #form: ChannelForm;
  #handler: ClientHandler | undefined;
  /** The channel of the message under way. */
  #channel: number | undefined;
  /** Its bytes so far, where they mean something only together. */
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;

  readonly ready: Promise<void> = Promise.resolve();

  constructor(
    connection: { readonly stream: ByteStream; readonly rest: Uint8Array },
    wanted: CommandStreams,
    form: ChannelForm,
  ) {
    this.#peer = new WebSocketPeer(connection.stream);
    this.#rest = connection.rest;
    this.#wanted = wanted;
    this.#form = form;
  }

  start(handler: ClientHandler): void {
    this.#handler = handler;
    this.#peer.start(this.#rest, {
      onPart: (part) => this.#onPart(part),
      onRoom: () => handler.onRoom(),
      onClose: () => handler.onClose(),
    });
    // Clients of the older protocols wait for an empty message before they send.
    if (!this.#form.hasClose) this.#send(this.#greetingChannel(), nothing);
  }

  show(name: "stdout" | "stderr", bytes: Uint8Array): boolean {
    // On a terminal everything is one stream; and what a client did not ask for goes to nowhere.
    const shown = this.#wanted.tty ? "stdout" : name;
    if (!this.#wanted[shown]) return true;
    if (this.#peer.isFull) return false;
    if (bytes.length > 0) this.#send(channels[shown], bytes);
    return true;
  }

  pause(): void {
    this.#peer.pause();
  }

  resume(): void {
    this.#peer.resume();
  }

  finish(status: CommandStatus): void {
    void this.#peer.whenRoom().then(() => {
      const text = endText(status, this.#form.endForm);
      if (text !== "") this.#send(channels.error, Buffer.from(text));
      this.#peer.close(closeCode.normal);
    });
  }

  #greetingChannel(): number {
    if (this.#wanted.stdout) return channels.stdout;
    return this.#wanted.stderr ? channels.stderr : channels.error;
  }

  #send(channel: number, bytes: Uint8Array): void {
    if (!this.#form.isBase64) return this.#peer.send("binary", [Uint8Array.of(channel), bytes]);
    this.#peer.send("text", [
      Uint8Array.of(zero + channel),
      Buffer.from(Buffer.from(bytes).toString("base64")),
    ]);
  }

  #onPart({ isStart, isEnd, bytes }: MessagePart): void {
    let rest = bytes;
    if (isStart) this.#channel = undefined;
    const [first] = rest;
    if (this.#channel === undefined && first !== undefined) {
      this.#channel = this.#form.isBase64 ? first - zero : first;
      rest = rest.subarray(1);
    }
    // Input in bytes goes on as it comes; the rest is short and must be whole.
    if (this.#channel === channels.stdin && !this.#form.isBase64) {
      if (rest.length > 0) this.#onInput(rest);
      return;
    }
    this.#pieceBytes += rest.length;
    if (this.#pieceBytes > wholeBytesMax) return this.#peer.close(closeCode.protocolError);
    this.#pieces.push(rest);
    if (!isEnd) return;
    const whole = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#pieceBytes = 0;
    this.#onWhole(this.#form.isBase64 ? Buffer.from(whole.toString("latin1"), "base64") : whole);
  }

  #onWhole(bytes: Buffer): void {
    if (this.#channel === channels.stdin) return this.#onInput(bytes);
    if (this.#channel === channels.size) {
      const size = parseSizeText(bytes.toString("utf8"));
      if (size !== undefined) this.#handler?.onSize(size);
    }
    const endsInput = this.#channel === channels.close && this.#form.hasClose && bytes[0] === channels.stdin;
    if (endsInput) this.#handler?.onInputEnd();
  }

  #onInput(bytes: Uint8Array): void {
    if (this.#wanted.stdin) this.#handler?.onInput(bytes);
  }
}
