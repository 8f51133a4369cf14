/** A watch's lines: what exists, then changes, bookmarks and the end; pulled by whoever tells them on, in the process or over HTTP. */
import type { Clock } from "#host/clock.ts";
import { apiVersionOf, type WatchEvent } from "#host/kube/object.ts";
import { checkFields } from "./field-selector.ts";
import type { ObjectStore } from "./object-store.ts";
import type { WatchQuery } from "./query-options.ts";
import { everything, listPage, textInVersion } from "./read-objects.ts";
import { expired, forbidden } from "./refusal.ts";
import type { Watcher, WatchHub } from "./watch-hub.ts";
import type { Target } from "./write-context.ts";

/** One line: the event's type and its object as JSON. */
export interface WatchLine {
  readonly type: WatchEvent["type"];
  readonly text: string;
}

/** What a watch works with. */
export interface WatchContext {
  readonly store: ObjectStore;
  readonly hub: WatchHub;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Bookmarks come this often, so that a quiet watch continues from a version that is still kept. */
const bookmarkMs = 60_000;
/** A watch without a timeout of its own ends after this long to twice this long, so that not all return at once. */
const timeoutMs = 1_800_000;
/** Lines handed over at once. */
const batchMax = 256;

/**
 * Watches from the moment of the call. The lines are pulled in batches; the generator ends when the watch does.
 * @throws KubeError 403 when too many watch.
 */
export function watchObjects(
  context: WatchContext,
  target: Target,
  query: WatchQuery,
  signal: AbortSignal,
): AsyncGenerator<readonly WatchLine[], void> {
  const { store, hub } = context;
  checkFields(target.kind, query.fields);
  const after = query.after ?? store.version;
  const { tellsInitial } = query;
  const isLost = !tellsInitial && (after < hub.floor || after > store.version);
  if (isLost) return tellLost(after, hub.floor);
  const scope = {
    group: target.kind.group,
    resource: target.kind.resource,
    labels: query.labels,
    fields: query.fields,
    ...(target.namespace === "" ? {} : { namespace: target.namespace }),
  };
  const watcher = hub.open(scope, tellsInitial ? store.version : after);
  if (watcher === undefined) {
    throw forbidden(target.kind, "", `${hub.watchers} watches are open already; close some and try again`);
  }
  // Here and not in the generator, which never runs when nobody reads.
  signal.addEventListener("abort", () => watcher.close(), { once: true });
  if (signal.aborted) watcher.close();
  // Read in the same turn as the watch began: nothing lies between them.
  const initial = tellsInitial ? initialLines(context, target, query) : [];
  return tell(context, { target, query, watcher, initial });
}

/** A line as it stands in a response. */
export function formatWatchLine(line: WatchLine): string {
  return `{"type":"${line.type}","object":${line.text}}\n`;
}

async function* tellLost(after: number, floor: number): AsyncGenerator<readonly WatchLine[], void> {
  yield [{ type: "ERROR", text: JSON.stringify(expired(after, floor).status) }];
}

function initialLines(context: WatchContext, target: Target, query: WatchQuery): readonly WatchLine[] {
  const { store, hub } = context;
  const page = listPage(
    store,
    target,
    { ...everything, labels: query.labels, fields: query.fields },
    hub.floor,
  );
  const lines: WatchLine[] = page.texts.map((text) => ({ type: "ADDED", text }));
  if (query.marksInitial) {
    lines.push(bookmark(target, page.version, { "k8s.io/initial-events-end": "true" }));
  }
  return lines;
}

interface Telling {
  readonly target: Target;
  readonly query: WatchQuery;
  readonly watcher: Watcher;
  readonly initial: readonly WatchLine[];
}

async function* tell(context: WatchContext, telling: Telling): AsyncGenerator<readonly WatchLine[], void> {
  const { watcher, target, query } = telling;
  const timers = startTimers(context, query, watcher);
  try {
    for (let i = 0; i < telling.initial.length; i += batchMax) yield telling.initial.slice(i, i + batchMax);
    for (;;) {
      const seen = watcher.take(batchMax);
      if (seen.length > 0) {
        yield seen.map(({ type, text }) => ({ type, text: textInVersion(target, text) }));
        continue;
      }
      if (!watcher.isOpen || timers.isOver) return;
      if (timers.isBookmarkDue()) yield [bookmark(target, context.store.version, undefined)];
      else await watcher.wait();
    }
  } finally {
    timers.stop();
    watcher.close();
  }
}

interface Timers {
  readonly isOver: boolean;
  /** Whether one is due; asking takes it. */
  isBookmarkDue(): boolean;
  stop(): void;
}

function startTimers(context: WatchContext, query: WatchQuery, watcher: Watcher): Timers {
  const { clock } = context;
  let isOver = false;
  let isDue = false;
  const endMs = query.timeoutSeconds > 0 ? query.timeoutSeconds * 1000 : timeoutMs * (1 + context.random());
  const end = clock.after(endMs, () => {
    isOver = true;
    watcher.wake();
  });
  const ring = (): void => {
    isDue = true;
    watcher.wake();
    bell = clock.after(bookmarkMs, ring);
  };
  let bell = query.bookmarks ? clock.after(bookmarkMs, ring) : undefined;
  return {
    get isOver() {
      return isOver;
    },
    isBookmarkDue() {
      const was = isDue;
      isDue = false;
      return was;
    },
    stop() {
      end.cancel();
      bell?.cancel();
    },
  };
}

function bookmark(
  target: Target,
  version: number,
  annotations: Readonly<Record<string, string>> | undefined,
): WatchLine {
  const metadata = { resourceVersion: String(version), annotations };
  const apiVersion = apiVersionOf({ group: target.kind.group, version: target.version });
  return { type: "BOOKMARK", text: JSON.stringify({ kind: target.kind.kind, apiVersion, metadata }) };
}
