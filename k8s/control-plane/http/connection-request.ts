/** A request read from a connection as the Web's `Request`, with a signal that tells of the connection's end. */
import type { RequestHead } from "#core/http1/head.ts";

/** The Web's class without its signal, which its types hold for a field that no class may make on demand. Sound: at run time it is a getter. */
const Unsignalled = Request as unknown as new (url: string, init: RequestInit) => Omit<Request, "signal">;

/** See the file's head. The signal is made when it is asked for: few handlers do, and it costs as much as the rest. */
export class ConnectionRequest extends Unsignalled {
  #aborting: AbortController | undefined;
  #isAborted = false;

  constructor(head: RequestHead, body: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | undefined) {
    const host = head.headers.find(([name]) => name === "host")?.[1] ?? "localhost";
    const target = head.target === "*" ? "/" : head.target;
    const headers = new Headers();
    for (const [name, value] of head.headers) headers.append(name, value);
    super(`https://${host}${target}`, {
      method: head.method,
      headers,
      ...(body === undefined ? {} : { body }),
    });
  }

  /** Aborted when the caller is gone. */
  get signal(): AbortSignal {
    this.#aborting ??= new AbortController();
    if (this.#isAborted) this.#aborting.abort();
    return this.#aborting.signal;
  }

  /** The caller is gone. */
  abort(): void {
    this.#isAborted = true;
    this.#aborting?.abort();
  }
}
