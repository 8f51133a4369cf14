/** One function inside its process: imports the bundle, finds the handlers, serves requests and schedules. Knows nothing of sandboxes. */
import { bindingOf, type Fetcher } from "./child-bindings.ts";
import { type ReportSpan, Tracer } from "./child-trace.ts";
import type { HandlerName, Scheduled, ScheduledResult, Specialise, Specialised } from "./engine-protocol.ts";

/** What a handler is given beside the request and `env`. */
export interface FunctionContext {
  /** Keeps the instance alive until the promise has settled. */
  waitUntil(promise: Promise<unknown>): void;
}

/** A function's `env`. */
export type FunctionEnv = Record<string, string | Fetcher>;

interface Handlers {
  readonly fetch?: (request: Request, env: FunctionEnv, context: FunctionContext) => unknown;
  readonly scheduled?: (event: ScheduledEvent, env: FunctionEnv, context: FunctionContext) => unknown;
  readonly queue?: unknown;
}

interface ScheduledEvent {
  readonly type: "scheduled";
  readonly cron: string;
  readonly scheduledTime: number;
}

const backgroundMax = 10_000;
const bodyBytesMax = 2 ** 40;

/** See the file's opening. */
export class FunctionHost {
  readonly #tracer: Tracer;
  readonly #folder: string;
  readonly #background = new Set<Promise<unknown>>();
  readonly #context: FunctionContext = { waitUntil: (promise) => this.#waitUntil(promise) };
  #handlers: Handlers = {};
  #env: FunctionEnv = {};
  #server: Bun.Server<undefined> | undefined;

  constructor(report: ReportSpan, folder: string) {
    this.#tracer = new Tracer(report);
    this.#folder = folder;
  }

  /** The port that it serves on; 0 before it does. */
  get port(): number {
    return this.#server?.port ?? 0;
  }

  /** Becomes the function; a failure is an answer, not an exception. */
  async specialise(wanted: Specialise): Promise<Specialised> {
    globalThis.fetch = this.#tracer.wrapFetch(globalThis.fetch);
    this.#env = { ...wanted.env };
    for (const binding of wanted.bindings) this.#env[binding.name] = bindingOf(binding);
    setProcessEnv(wanted.env);
    const loaded = await loadModule(`${this.#folder}/${wanted.file}`);
    if (loaded.kind === "failed") return loaded;
    const found = findHandlers(loaded.module);
    if (found.kind === "failed") return found;
    this.#handlers = found.handlers;
    try {
      this.#listen(wanted.port);
    } catch (error) {
      return {
        kind: "failed",
        stage: "listen",
        message: `Cannot listen on port ${wanted.port}: ${text(error)}`,
      };
    }
    return { kind: "ready", exports: found.exports };
  }

  /** Runs the `scheduled` handler to its end, with what it left to `waitUntil`. */
  async runScheduled(wanted: Scheduled): Promise<ScheduledResult> {
    const { scheduled } = this.#handlers;
    if (scheduled === undefined) {
      return { kind: "failed", message: "Cannot run a schedule: the function exports no scheduled handler" };
    }
    const mine: Promise<unknown>[] = [];
    const context: FunctionContext = {
      waitUntil: (promise) => {
        mine.push(promise);
        this.#waitUntil(promise);
      },
    };
    try {
      const { cron, scheduledTime, traceparent } = wanted;
      const event: ScheduledEvent = { type: "scheduled", cron, scheduledTime };
      await this.#tracer.within(traceparent, () => scheduled.call(this.#handlers, event, this.#env, context));
      await Promise.all(mine);
      return { kind: "done" };
    } catch (error) {
      console.error(error);
      return { kind: "failed", message: text(error) };
    }
  }

  /** Takes no more requests; settles once those at work and `waitUntil` promises have ended. */
  async drain(): Promise<void> {
    await this.#server?.stop(false);
    while (this.#background.size > 0) await Promise.allSettled(this.#background);
  }

  #listen(port: number): void {
    this.#server = Bun.serve({
      hostname: "0.0.0.0",
      port,
      idleTimeout: 0,
      maxRequestBodySize: bodyBytesMax,
      development: false,
      fetch: (request) => this.#tracer.serve(request, () => this.#answer(request)),
      error: (error) => failed(error),
    });
  }

  async #answer(request: Request): Promise<Response> {
    const { fetch: handler } = this.#handlers;
    if (handler === undefined)
      return new Response("The function exports no fetch handler\n", { status: 501 });
    try {
      const response = await handler.call(this.#handlers, request, this.#env, this.#context);
      if (response instanceof Response) return response;
      return failed(
        new TypeError(`Cannot answer with what fetch returned: ${typeof response} is not a Response`),
      );
    } catch (error) {
      return failed(error);
    }
  }

  #waitUntil(promise: Promise<unknown>): void {
    if (this.#background.size >= backgroundMax) {
      console.error(`Cannot wait for more than ${backgroundMax} promises: one is not waited for`);
      return;
    }
    const settled = Promise.resolve(promise)
      .catch((error: unknown) => console.error("A waitUntil promise was rejected:", error))
      .finally(() => this.#background.delete(settled));
    this.#background.add(settled);
  }
}

async function loadModule(
  path: string,
): Promise<{ readonly kind: "loaded"; readonly module: unknown } | Extract<Specialised, { kind: "failed" }>> {
  try {
    return { kind: "loaded", module: await import(path) };
  } catch (error) {
    const isSyntax =
      error instanceof SyntaxError ||
      (error instanceof Error && error.name === "BuildMessage") ||
      isBuildMessage(error);
    const stage = isSyntax ? "parse" : "import";
    const doing = isSyntax ? "Cannot parse the bundle" : "Cannot import the bundle: it threw";
    return { kind: "failed", stage, message: `${doing}: ${text(error)}` };
  }
}

function isBuildMessage(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isBuildMessage);
  return (
    typeof error === "object" && error !== null && /^(Build|Resolve)Message$/.test(error.constructor.name)
  );
}

function findHandlers(
  module: unknown,
):
  | { readonly kind: "found"; readonly handlers: Handlers; readonly exports: HandlerName[] }
  | Extract<Specialised, { kind: "failed" }> {
  const exported =
    typeof module === "object" && module !== null && "default" in module ? module.default : undefined;
  const holder =
    (typeof exported === "object" || typeof exported === "function") && exported !== null ? exported : {};
  const names = ["fetch", "scheduled", "queue"] as const;
  const exports = names.filter((name) => typeof Reflect.get(holder, name) === "function");
  if (exports.length > 0) return { kind: "found", handlers: holder, exports };
  const got =
    exported === undefined ? "there is no default export" : `the default export is ${describe(exported)}`;
  return {
    kind: "failed",
    stage: "handlers",
    message: `Cannot find a fetch handler: ${got}; export default { fetch(request, env, ctx) { … } } or a Hono app`,
  };
}

function describe(value: unknown): string {
  if (typeof value !== "object" || value === null) return `a ${typeof value} without fetch`;
  const names = Object.keys(value).slice(0, 5).join(", ");
  return names === "" ? "an object without fetch" : `an object with ${names}, without fetch`;
}

function failed(error: unknown): Response {
  console.error(error);
  return new Response("The function failed\n", { status: 500 });
}

function setProcessEnv(env: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, { HOME: "/tmp", TMPDIR: "/tmp" }, env);
}

function text(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.slice(0, 3).map(text).join("; ");
  if (error instanceof Error) return `${error.name}: ${error.message}`;
  return String(error);
}
