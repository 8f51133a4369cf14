/** Containers whose commands are a few lines of JavaScript, behind the kubelet's own port: for tests of streams without processes. */
import type { ExitStatus } from "#host/linux/spawn.ts";
import { MeshError } from "#host/mesh-error.ts";
import type {
  ContainerAccess,
  ContainerLogLine,
  ContainerStreams,
  TerminalSize,
} from "../../k8s/node/kubelet/container-access.ts";

/** What a scripted command may do. */
export interface ScriptedCommand {
  readonly args: readonly string[];
  /** Its input, to its end. */
  readonly input: ReadableStreamDefaultReader<Uint8Array>;
  readonly write: (text: string | Uint8Array) => Promise<void>;
  readonly complain: (text: string) => Promise<void>;
  /** The size that its terminal is given. */
  readonly size: () => Promise<TerminalSize>;
  /** Resolves when it is let go. */
  readonly letGo: Promise<void>;
}

/** Returns its exit code, or a signal's number below zero. */
export type CommandScript = (command: ScriptedCommand) => Promise<number>;

/** The containers of a Pod by what they run. */
export interface ScriptedContainers {
  readonly uid: string;
  readonly commands: Readonly<Record<string, CommandScript>>;
  readonly log: readonly ContainerLogLine[];
  /** Goes on behind the log of those who follow it. */
  readonly more?: () => AsyncGenerator<ContainerLogLine>;
  readonly network: number;
}

/** Their access. Commands that run are counted in `running`. */
export function scriptedContainers(
  given: ScriptedContainers,
): ContainerAccess & { readonly running: ReadonlySet<string> } {
  const running = new Set<string>();
  const check = (podUid: string): void => {
    if (podUid !== given.uid) throw new MeshError("not-found", "Cannot find the Pod on this node");
  };
  const start = (name: string, args: readonly string[], tty: boolean): ContainerStreams => {
    const script = given.commands[name];
    if (script === undefined) throw new MeshError("bad-input", `exec: ${JSON.stringify(name)}: not there`);
    running.add(name);
    return runScript(script, args, tty, () => running.delete(name));
  };
  return {
    running,
    async *openLog({ podUid, tailLines, follow, signal }) {
      check(podUid);
      yield* tailLines === undefined ? given.log : given.log.slice(Math.max(0, given.log.length - tailLines));
      if (!follow || given.more === undefined) return;
      for await (const line of given.more()) {
        if (signal.aborted) return;
        yield line;
      }
    },
    async startIn({ podUid, command: [name = "", ...args], tty }) {
      check(podUid);
      return start(name, args, tty);
    },
    async attachTo({ podUid }) {
      check(podUid);
      return start("main", [], false);
    },
    networkOf(podUid) {
      check(podUid);
      return given.network;
    },
  };
}

function runScript(
  script: CommandScript,
  args: readonly string[],
  tty: boolean,
  onEnd: () => void,
): ContainerStreams {
  const input = new TransformStream<Uint8Array, Uint8Array>();
  const output = new TransformStream<Uint8Array, Uint8Array>();
  const errors = new TransformStream<Uint8Array, Uint8Array>();
  const writers = { output: output.writable.getWriter(), errors: errors.writable.getWriter() };
  const letGo = Promise.withResolvers<void>();
  const sizes = Promise.withResolvers<TerminalSize>();
  const run = async (): Promise<ExitStatus> => {
    const code = await Promise.race([
      script({
        args,
        input: input.readable.getReader() as ReadableStreamDefaultReader<Uint8Array>,
        write: (text) => writers.output.write(Buffer.from(text)),
        complain: (text) => writers.errors.write(Buffer.from(text)),
        size: () => sizes.promise,
        letGo: letGo.promise,
      }),
      letGo.promise.then(() => -9),
    ]);
    onEnd();
    void writers.output.close().catch(() => undefined); // Nobody may be left to read it.
    void writers.errors.close().catch(() => undefined);
    return code < 0 ? { kind: "signaled", signal: -code } : { kind: "exited", code };
  };
  return {
    stdin: input.writable,
    stdout: output.readable,
    stderr: tty ? undefined : errors.readable,
    resize: (size) => sizes.resolve(size),
    exited: run(),
    close: () => letGo.resolve(),
  };
}
