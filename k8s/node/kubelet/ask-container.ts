/** Questions to a container and orders at the turns of its life: commands, HTTP requests, connections; each ends in time with an answer. */
import type { Clock } from "#host/clock.ts";
import { errorText } from "#host/mesh-error.ts";
import type { Container, HttpGetAction, LifecycleHandler, ProbeHandler } from "../../model/container.ts";
import type { ProbeAnswer } from "../../reconcile/pods/probe-state.ts";
import type { ContainerStreams } from "./container-access.ts";

/** Whom to ask, and by what means. */
export interface AskContext {
  readonly clock: Clock;
  readonly container: Container;
  /** The Pod's. */
  readonly address: string;
  /** Starts a command in the container. */
  readonly start: (command: readonly string[]) => Promise<ContainerStreams>;
}

/** What came of it, in Kubernetes' words. */
export interface Asked {
  readonly answer: ProbeAnswer;
  readonly message: string;
}

const success: Asked = { answer: "success", message: "" };
/** Output of a command that is kept: as much as an Event shows. */
const outputBytesMax = 10 << 10;
const userAgent = "kube-probe/1.37";

/** Asks once. */
export async function askContainer(
  context: AskContext,
  probe: ProbeHandler,
  timeoutMs: number,
): Promise<Asked> {
  try {
    if (probe.exec !== undefined) return await askByCommand(context, probe.exec.command ?? [], timeoutMs);
    if (probe.httpGet !== undefined) return await askByHttp(context, probe.httpGet, timeoutMs);
    if (probe.tcpSocket !== undefined) return await askByTcp(context, probe.tcpSocket, timeoutMs);
    return failure("this node has no probes of this kind; use exec, httpGet or tcpSocket");
  } catch (error) {
    return failure(errorText(error));
  }
}

/** Carries out a hook. @returns why it failed */
export async function runHook(
  context: AskContext,
  hook: LifecycleHandler,
  timeoutMs: number,
): Promise<string | undefined> {
  if (hook.sleep !== undefined) {
    await sleep(context.clock, Math.min(hook.sleep.seconds * 1000, timeoutMs));
    return undefined;
  }
  const { answer, message } = await askContainer(context, hook, timeoutMs);
  return answer === "success" ? undefined : message;
}

/** The number of a port that may be named. @throws Error when the container has no such port */
function portOf(container: Container, port: number | string): number {
  const found =
    typeof port === "number" ? port : container.ports?.find(({ name }) => name === port)?.containerPort;
  const number = found ?? Number(port);
  if (!Number.isInteger(number))
    throw new Error(`couldn't find port "${port}" in container ${container.name}`);
  return number;
}

async function askByCommand(
  { start, clock }: AskContext,
  command: readonly string[],
  timeoutMs: number,
): Promise<Asked> {
  const streams = await start(command);
  let isLate = false;
  const timer = clock.after(timeoutMs, () => {
    isLate = true;
    streams.close();
  });
  const output = Promise.all([readSome(streams.stdout), readSome(streams.stderr)]);
  const ended = await streams.exited;
  timer.cancel();
  if (isLate)
    return failure(
      `command timed out: ${JSON.stringify(command.join(" "))} timed out after ${timeoutMs / 1000}s`,
    );
  if (ended.kind === "exited" && ended.code === 0) return success;
  streams.close();
  return failure((await output).join(""));
}

/** The beginning of what a stream gives; the rest is read and dropped, so that its writer is not held up. */
async function readSome(stream: ReadableStream<Uint8Array> | undefined): Promise<string> {
  const kept: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of stream ?? []) {
    if (bytes < outputBytesMax) kept.push(piece.subarray(0, outputBytesMax - bytes));
    bytes += piece.length;
  }
  return Buffer.concat(kept).toString("utf8");
}

async function askByHttp(context: AskContext, action: HttpGetAction, timeoutMs: number): Promise<Asked> {
  const url = urlOf(context, action);
  const headers = new Headers({ "user-agent": userAgent, accept: "*/*", connection: "close" });
  for (const { name, value } of action.httpHeaders ?? []) headers.set(name, value);
  try {
    const response = await fetch(url, {
      headers,
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
      keepalive: false,
      // Whose certificate it is cannot be known: only whether it answers.
      tls: { rejectUnauthorized: false },
    });
    await response.body?.cancel();
    if (response.status >= 200 && response.status < 400) return success;
    return failure(`HTTP probe failed with statuscode: ${response.status}`);
  } catch (error) {
    return failure(`Get "${url}": ${errorText(error)}`);
  }
}

function urlOf(
  { address, container }: AskContext,
  { scheme = "HTTP", host = "", path = "/", port }: HttpGetAction,
): string {
  const place = `${host === "" ? address : host}:${portOf(container, port)}`;
  return `${scheme.toLowerCase()}://${place}${path.startsWith("/") ? path : `/${path}`}`;
}

async function askByTcp(
  context: AskContext,
  { host, port }: { readonly host?: string; readonly port: number | string },
  timeoutMs: number,
): Promise<Asked> {
  const at = { hostname: host ?? context.address, port: portOf(context.container, port) };
  const { promise, resolve } = Promise.withResolvers<Asked>();
  const timer = context.clock.after(timeoutMs, () =>
    resolve(failure(`dial tcp ${at.hostname}:${at.port}: i/o timeout`)),
  );
  const connecting = Bun.connect({
    ...at,
    socket: {
      open(socket) {
        resolve(success);
        socket.end();
      },
      data() {},
      error() {},
    },
  });
  connecting.catch((error: unknown) =>
    resolve(failure(`dial tcp ${at.hostname}:${at.port}: ${errorText(error)}`)),
  );
  const asked = await promise;
  timer.cancel();
  if (asked.answer === "failure") void connecting.then((socket) => socket.terminate()).catch(() => undefined);
  return asked;
}

function failure(message: string): Asked {
  return { answer: "failure", message };
}

function sleep(clock: Clock, forMs: number): Promise<void> {
  return new Promise((resolve) => void clock.after(forMs, resolve));
}
