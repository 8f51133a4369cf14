/** Logs, commands, streams and networks of the node's containers, for whoever serves them to the API. */
import { closeFd } from "#host/linux/libc.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { ExitStatus } from "#host/linux/spawn.ts";
import { writeDescriptor, type StreamHost } from "../streams/pipe-streams.ts";
import { resizeTerminal } from "../streams/terminal.ts";
import { startInContainer } from "../streams/start-in-container.ts";
import type { AttachRequest, ContainerAccess, ContainerStreams } from "./container-access.ts";
import type { ContainerLife } from "./container-life.ts";
import { openInput } from "./container-streams.ts";
import type { Kubelet } from "./kubelet.ts";
import type { LiveContainer } from "./live-container.ts";
import type { LogStream } from "./log-lines.ts";
import { type PodFolders, podPaths } from "./pod-paths.ts";

/** What giving access needs. */
export interface AccessHost extends StreamHost {
  readonly folders: PodFolders;
}

/** Output that a slow reader may leave unread; then it loses some, for the container is not held up. */
const unreadBytesMax = 1 << 20;

/** Gives access to a kubelet's containers. */
export function accessPods(kubelet: Kubelet, host: AccessHost): ContainerAccess {
  const find = (podUid: string, container: string): ContainerLife => {
    const worker = kubelet.find(podUid);
    if (worker === undefined) throw new MeshError("not-found", `Cannot find the Pod ${podUid} on this node`);
    const life = worker.containers.find(container);
    if (life === undefined)
      throw new MeshError("not-found", `Cannot find the container ${JSON.stringify(container)} in the Pod`);
    return life;
  };
  return {
    openLog({ podUid, container, previous, ...reading }) {
      const log = find(podUid, container).log(previous ? "previous" : "present");
      if (log !== undefined) return log.read(reading);
      const which = previous ? "previous terminated container" : "container";
      throw new MeshError(
        "unavailable",
        `${which} ${JSON.stringify(container)} in the Pod is not found: it has not run`,
      );
    },
    async startIn({ podUid, container, ...request }) {
      const life = find(podUid, container);
      running(life);
      return startInContainer(host, life.place(), request);
    },
    async attachTo(request) {
      const life = find(request.podUid, request.container);
      return attach(host, { request, life, live: running(life) });
    },
    networkOf(podUid) {
      const sandbox = kubelet.find(podUid)?.sandbox;
      if (sandbox === undefined) throw new MeshError("unavailable", "Cannot reach the Pod: it does not run");
      return sandbox.network?.fd ?? host.libc.homeNamespace;
    },
  };
}

function running(life: ContainerLife): LiveContainer {
  if (life.live !== undefined) return life.live;
  throw new MeshError(
    "unavailable",
    `Cannot reach the container ${JSON.stringify(life.name)}: it is not running`,
  );
}

function attach(
  host: AccessHost,
  {
    request,
    live,
    life,
  }: { readonly request: AttachRequest; readonly live: LiveContainer; readonly life: ContainerLife },
): ContainerStreams {
  const ending = new AbortController();
  const over = Promise.withResolvers<ExitStatus>();
  const controllers = new Map<LogStream, ReadableStreamDefaultController<Uint8Array>>();
  const open = (stream: LogStream): ReadableStream<Uint8Array> =>
    new ReadableStream<Uint8Array>(
      { start: (controller) => void controllers.set(stream, controller) },
      new ByteLengthQueuingStrategy({ highWaterMark: unreadBytesMax }),
    );
  const listen = (stream: LogStream, bytes: Uint8Array): void => {
    const controller = controllers.get(stream);
    if (controller !== undefined && (controller.desiredSize ?? 0) > 0)
      controller.enqueue(Uint8Array.from(bytes));
  };
  const close = (status: ExitStatus): void => {
    if (!live.listeners.delete(listen)) return;
    ending.abort();
    for (const controller of controllers.values()) closeQuietly(controller);
    over.resolve(status);
  };
  live.listeners.add(listen);
  void live.process.exited.then((status) => close(status ?? unknownEnd));
  const folder = podPaths(host.folders, request.podUid).streams(life.name, life.facts().restarts);
  const input = request.stdin ? (live.takeInput() ?? openInput(folder)) : undefined;
  const stdin = input === undefined ? undefined : writeDescriptor(host, input, ending.signal);
  return {
    stdin: stdin !== undefined && live.hasTerminal ? typedInto(stdin) : stdin,
    stdout: open("stdout"),
    stderr: live.hasTerminal ? undefined : open("stderr"),
    resize(size) {
      const terminal = live.hasTerminal ? live.takeInput() : undefined;
      if (terminal === undefined) return;
      resizeTerminal(host.libc, terminal, size);
      closeFd(host.libc, terminal);
    },
    exited: over.promise,
    close: () => close({ kind: "exited", code: 0 }),
  };
}

/** Of a terminal whose input ends: the character that says so. */
const endOfFile = Uint8Array.of(4);

/** A terminal has no end: its program is told by a character. */
function typedInto(terminal: WritableStream<Uint8Array>): WritableStream<Uint8Array> {
  const writer = terminal.getWriter();
  return new WritableStream<Uint8Array>({
    write: (bytes) => writer.write(bytes),
    close: async () => {
      await writer.write(endOfFile);
      await writer.close();
    },
    abort: (reason) => writer.abort(reason),
  });
}

const unknownEnd: ExitStatus = { kind: "exited", code: 137 };

function closeQuietly(controller: ReadableStreamDefaultController<Uint8Array>): void {
  try {
    controller.close();
  } catch {
    // Its reader has cancelled it.
  }
}
