/** The log of one instance of a function as `kubectl logs` wants it: the node runtime keeps it by function, and is asked for it in pages. */
import { formatInstant } from "./instant.ts";
import { LogText } from "../../node/streams/log-text.ts";
import type { LogQuery } from "./log-query.ts";

/** Which instance. */
export interface InstancePlace {
  readonly namespace: string;
  readonly function: string;
  readonly instance: string;
}

/** The node runtime, as far as logs are concerned. */
export interface InstanceLogs {
  /** Asks the node runtime. @throws MeshError (rejects) */
  readonly ask: (method: string, params: object, timeoutMs: number) => Promise<unknown>;
  /** Whether the instance runs. */
  readonly isAlive: (instance: string) => boolean;
}

interface Line {
  readonly atMs: number;
  readonly instance: string;
  readonly stream: "stdout" | "stderr";
  readonly text: string;
}

interface Page {
  readonly lines: readonly Line[];
  readonly cursor: string;
}

const askTimeoutMs = 10_000;
const waitMs = 2000;
/** Of the last lines that are asked for, no more are looked for: what a page may hold. */
const tailLinesMax = 100_000;

/** Text, oldest first; goes on, where that is asked for, until the instance is gone. */
export async function* readInstanceLog(
  logs: InstanceLogs,
  place: InstancePlace,
  query: LogQuery,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const text = new LogText({
    timestamps: query.timestamps,
    ...(query.limitBytes === undefined ? {} : { limitBytes: query.limitBytes }),
  });
  for await (const { atMs, stream, text: line } of linesOf(logs, place, query)) {
    yield text.format({ time: formatInstant(atMs), stream, text: line, isWhole: true });
    if (text.isFull || signal.aborted) return;
  }
}

async function* linesOf(
  logs: InstanceLogs,
  place: InstancePlace,
  query: LogQuery,
): AsyncGenerator<Line, void> {
  const reader = makeReader(logs, place, query);
  const present = reader.present();
  for await (const lines of query.tailLines === undefined ? present : lastOf(present, query.tailLines))
    yield* lines;
  while (query.follow) {
    // Asked before the page, so that what was written before the end is in it.
    const isAlive = logs.isAlive(place.instance);
    const lines = await reader.next(isAlive ? waitMs : 0);
    yield* lines;
    if (!isAlive && lines.length === 0) return;
  }
}

interface Reader {
  /** What is there now, in pages. */
  present(): AsyncGenerator<readonly Line[], void>;
  /** What comes within the time. */
  next(waitMs: number): Promise<readonly Line[]>;
}

function makeReader(logs: InstanceLogs, place: InstancePlace, query: LogQuery): Reader {
  let cursor: string | undefined;
  const next = async (
    forMs: number,
  ): Promise<{ readonly own: readonly Line[]; readonly isEmpty: boolean }> => {
    const params = {
      namespace: place.namespace,
      function: place.function,
      ...(cursor === undefined
        ? { sinceMs: query.sinceTimeMs ?? 0 }
        : { cursor, ...(forMs === 0 ? {} : { waitMs: forMs }) }),
    };
    // Sound: the node runtime's answer has this form, and it is a program of ours.
    const page = (await logs.ask("logs", params, forMs + askTimeoutMs)) as Page;
    cursor = page.cursor;
    return {
      own: page.lines.filter(({ instance }) => instance === place.instance),
      isEmpty: page.lines.length === 0,
    };
  };
  return {
    async *present() {
      for (;;) {
        const { own, isEmpty } = await next(0);
        if (isEmpty) return;
        yield own;
      }
    },
    async next(forMs) {
      return (await next(forMs)).own;
    },
  };
}

async function* lastOf(
  pages: AsyncIterable<readonly Line[]>,
  tailLines: number,
): AsyncGenerator<readonly Line[], void> {
  const wanted = Math.min(tailLines, tailLinesMax);
  let last: Line[] = [];
  for await (const lines of pages) {
    last.push(...lines);
    if (last.length > 2 * wanted) last = wanted === 0 ? [] : last.slice(-wanted);
  }
  yield wanted === 0 ? [] : last.slice(-wanted);
}
