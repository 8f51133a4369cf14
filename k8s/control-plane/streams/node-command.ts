/** A command on the node, or a container that is attached to, as its frames on `kubelet.sock`: the asking side. */
import type { ExitStatus } from "#host/linux/spawn.ts";
import { StreamWriter } from "#host/stream-writer.ts";
import type { TerminalSize } from "../../node/kubelet/container-access.ts";
import {
  channel,
  encodeMessage,
  encodeStreamHead,
  inputWindowBytes,
  type StreamFrame,
  StreamFrameReader,
} from "../../node/streams/stream-frames.ts";
import type { NodeStream } from "./ask-node.ts";

/** What the owner is told. */
export interface NodeCommandHandler {
  /** Bytes written by the command, borrowed for the call. @returns false when they were not taken: they are given again after {@link NodeCommand.resume} */
  onOutput(stream: "stdout" | "stderr", bytes: Uint8Array): boolean;
  /** More input may be sent. */
  onCredit(): void;
  /** It ended; undefined when the node is gone. Once. */
  onEnd(exit: ExitStatus | undefined): void;
}

/** See the file's head. */
export class NodeCommand {
  readonly #node: NodeStream;
  readonly #handler: NodeCommandHandler;
  readonly #writer: StreamWriter;
  readonly #reader = new StreamFrameReader();
  #credit = inputWindowBytes;
  /** Output that was not taken. */
  #refused: { readonly name: "stdout" | "stderr"; readonly bytes: Uint8Array } | undefined;
  #isPumping = false;
  #isOver = false;

  constructor(node: NodeStream, handler: NodeCommandHandler) {
    this.#node = node;
    this.#handler = handler;
    this.#writer = new StreamWriter(node.stream);
  }

  /** Begins to be told. */
  start(): void {
    const { stream, rest } = this.#node;
    stream.handle({
      onData: (bytes) => this.#onData(bytes),
      onDrain: () => this.#writer.onDrain(),
      onEnd: () => this.#end(undefined),
      onClose: () => {
        this.#writer.onClose();
        this.#end(undefined);
      },
    });
    this.#onData(rest);
    if (this.#refused === undefined) stream.resume();
  }

  /** How many bytes of input may be sent now. */
  get credit(): number {
    return this.#credit;
  }

  /** Sends input, no more than {@link credit}. */
  input(bytes: Uint8Array): void {
    this.#credit -= bytes.length;
    this.#writer.write(encodeStreamHead(channel.input, bytes.length));
    this.#writer.write(bytes);
  }

  /** No more input comes. */
  endInput(): void {
    this.#writer.write(encodeStreamHead(channel.inputEnd, 0));
  }

  /** Tells the terminal's size. */
  resize(size: TerminalSize): void {
    this.#writer.write(encodeMessage(channel.size, size));
  }

  /** Output is taken again. */
  resume(): void {
    const refused = this.#refused;
    if (refused === undefined || this.#isOver) return;
    if (!this.#handler.onOutput(refused.name, refused.bytes)) return;
    this.#refused = undefined;
    this.#onData(new Uint8Array(0));
    if (this.#refused === undefined) this.#node.stream.resume();
  }

  /** Lets go: a started command is ended. */
  close(): void {
    this.#isOver = true;
    this.#node.stream.reset();
  }

  #onData(bytes: Uint8Array): void {
    this.#reader.push(bytes);
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (this.#refused === undefined && !this.#isOver) {
      const frame = this.#reader.read();
      if (frame === undefined) break;
      this.#onFrame(frame);
    }
    this.#isPumping = false;
    this.#reader.retain();
    if (this.#refused !== undefined) this.#node.stream.pause();
  }

  #onFrame(frame: StreamFrame): void {
    switch (frame.kind) {
      case "output":
        return this.#show("stdout", frame.bytes);
      case "errors":
        return this.#show("stderr", frame.bytes);
      case "credit":
        this.#credit += frame.bytes;
        return this.#handler.onCredit();
      case "exit":
        return this.#end(frame.status);
      case "input":
      case "input-end":
      case "size":
      case "problem":
        return this.#end(undefined);
    }
  }

  #show(name: "stdout" | "stderr", bytes: Uint8Array): void {
    if (this.#handler.onOutput(name, bytes)) return;
    this.#refused = { name, bytes: new Uint8Array(bytes) };
  }

  #end(exit: ExitStatus | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#node.stream.reset();
    this.#handler.onEnd(exit);
  }
}
