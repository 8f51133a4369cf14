/** How a run of a container is told of once it has ended: exit code, reason, last words. */
import { closeSync, openSync, readSync, rmSync } from "node:fs";
import type { ExitStatus } from "#host/linux/spawn.ts";
import type { Container } from "../../model/container.ts";
import type { EndedRun } from "../../reconcile/pods/container-facts.ts";
import type { ContainerLog } from "./container-log.ts";

/** What is known at the end. */
export interface EndFacts {
  readonly id: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** Undefined when nobody knows. */
  readonly status: ExitStatus | undefined;
  /** The kernel has ended a process of it for want of memory. */
  readonly isOutOfMemory: boolean;
  readonly message: string;
}

const killed = 137;
const signalBase = 128;
const messageBytesMax = 4096;
const logLinesMax = 80;
const logBytesMax = 2048;

/** Tells it. */
export function describeEnd(facts: EndFacts): EndedRun {
  const { status, isOutOfMemory, message, id, startedAtMs, endedAtMs } = facts;
  const base = { kind: "ended", id, startedAtMs, endedAtMs } as const;
  if (status === undefined) {
    const lost = "The container could not be located when its node's agent started again";
    return { ...base, exitCode: killed, reason: "ContainerStatusUnknown", message: lost };
  }
  const said = message === "" ? {} : { message };
  if (status.kind === "signaled") {
    const reason = isOutOfMemory ? "OOMKilled" : "Error";
    return { ...base, exitCode: signalBase + status.signal, signal: status.signal, reason, ...said };
  }
  const { code } = status;
  const reason = code === 0 ? "Completed" : isOutOfMemory && code === killed ? "OOMKilled" : "Error";
  return { ...base, exitCode: code, reason, ...said };
}

/** Reads the last words of a container, and removes their file. */
export async function readLastWords(
  { terminationMessagePolicy }: Pick<Container, "terminationMessagePolicy">,
  from: { readonly path: string; readonly log: ContainerLog; readonly hasFailed: boolean },
): Promise<string> {
  const written = readBeginning(from.path);
  rmSync(from.path, { force: true });
  if (written !== "" || !from.hasFailed || terminationMessagePolicy !== "FallbackToLogsOnError")
    return written;
  let text = "";
  const reading = { tailLines: logLinesMax, follow: false, signal: new AbortController().signal };
  for await (const line of from.log.read(reading)) text += line.text + (line.isWhole ? "\n" : "");
  return text.slice(-logBytesMax);
}

/** A file that its container may have replaced by anything is read as far as it counts, never waited for. */
function readBeginning(path: string): string {
  let fd: number | undefined;
  try {
    fd = openSync(path, 0o4000 | 0o400000); // non-blocking, no link followed
    const buffer = Buffer.alloc(messageBytesMax);
    return buffer.toString("utf8", 0, readSync(fd, buffer, 0, buffer.length, 0));
  } catch {
    return ""; // There are none.
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
