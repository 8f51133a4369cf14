/** The client of a command, whatever protocol it speaks: what it types, what it is shown, how it hears of the end. */
import type { TerminalSize } from "../../node/kubelet/container-access.ts";
import type { CommandStatus } from "./command-status.ts";

/** What the client says. */
export interface ClientHandler {
  /** Bytes typed, borrowed for the call. */
  onInput(bytes: Uint8Array): void;
  onInputEnd(): void;
  onSize(size: TerminalSize): void;
  /** What was shown has left. */
  onRoom(): void;
  /** It is gone, or has closed after the end; once. */
  onClose(): void;
}

/** What is said to it. */
export interface CommandClient {
  /** Resolves when everything the client will send on has been opened; rejects when it is not in time or goes away. */
  readonly ready: Promise<void>;
  /** Sets the handler; what came before is given at once. */
  start(handler: ClientHandler): void;
  /** Shows bytes, borrowed for the call. @returns false when they were not taken: show them again after `onRoom` */
  show(stream: "stdout" | "stderr", bytes: Uint8Array): boolean;
  /** Stops `onInput` until {@link resume}. */
  pause(): void;
  resume(): void;
  /** Says how it ended; nothing follows. */
  finish(status: CommandStatus): void;
}

/** Which of its streams a client has. */
export interface CommandStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}
