/** What others on the node may ask of a Pod's containers: their logs, new commands in them, their streams, their network. Declares, does nothing. */
import type { ExitStatus } from "#host/linux/spawn.ts";

/** One line that a container wrote. */
export interface ContainerLogLine {
  /** Nanosecond form of RFC 3339 in UTC, as `kubectl logs --timestamps` shows it. */
  readonly time: string;
  readonly stream: "stdout" | "stderr";
  /** Without its newline. */
  readonly text: string;
  /** False when the line was cut here because it is too long, or its container ended before it was whole: no newline follows. */
  readonly isWhole: boolean;
}

/** Which lines. */
export interface LogRequest {
  readonly podUid: string;
  readonly container: string;
  /** Those of the instance before the present one. */
  readonly previous: boolean;
  /** Only the last so many. */
  readonly tailLines?: number;
  /** Only lines since then, milliseconds since the epoch. */
  readonly sinceTimeMs?: number;
  /** No more bytes of text, newlines and times not counted by us: the reader cuts. */
  readonly limitBytes?: number;
  /** Goes on with what comes, until the container ends or the signal aborts. */
  readonly follow: boolean;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** What to start. */
export interface StartRequest {
  readonly podUid: string;
  readonly container: string;
  readonly command: readonly string[];
  /** With a terminal: `stderr` is undefined, everything comes as `stdout`. */
  readonly tty: boolean;
  /** With an open standard input; otherwise it is at its end at once. */
  readonly stdin: boolean;
  /** Size of the terminal at the start. */
  readonly size?: TerminalSize;
}

/** A terminal's size in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** A process in a container, or a container's main process, seen through its streams. */
export interface ContainerStreams {
  /** Present when it was asked for. Closing it is the end of file for the process; a terminal gets its end-of-file character. */
  readonly stdin: WritableStream<Uint8Array> | undefined;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array> | undefined;
  /** Does nothing without a terminal. */
  resize(size: TerminalSize): void;
  /** How it ended; never rejects. For `attachTo` also settles when the streams are let go. */
  readonly exited: Promise<ExitStatus>;
  /** Lets go: a started command is killed, an attached container lives on. */
  close(): void;
}

/** Which container to join. */
export interface AttachRequest {
  readonly podUid: string;
  readonly container: string;
  readonly stdin: boolean;
}

/** See the file's opening. Everything throws MeshError `not-found` for a Pod or container that is not here, `unavailable` for one that does not run. */
export interface ContainerAccess {
  /** Lines, oldest first. Reading slowly holds nothing up but itself. */
  openLog(request: LogRequest): AsyncIterable<ContainerLogLine>;
  /** Starts a command as the container's user, in its namespaces, root, control group and environment. @throws MeshError `bad-input` when the command cannot be started */
  startIn(request: StartRequest): Promise<ContainerStreams>;
  /** Joins the container's main process: what it writes from now on, and its standard input when its spec asks for one. */
  attachTo(request: AttachRequest): Promise<ContainerStreams>;
  /** Descriptor of the Pod's network namespace, valid while the Pod lives: for connections to `127.0.0.1` in it. */
  networkOf(podUid: string): number;
}
