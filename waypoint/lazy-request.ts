/** The Web `Request` that Hono's stages see: made of an exchange's head as it is asked for, never its truth. */
import type { Exchange } from "./exchange.ts";

/** Offers method, url and headers; a body is not offered, since it flows past the stages. */
class LazyRequest {
  readonly #exchange: Exchange;
  #headers: Headers | undefined;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  get method(): string {
    return this.#exchange.head.method;
  }

  get url(): string {
    const { target } = this.#exchange.head;
    return `http://${this.#exchange.service.hostname}${target === "*" ? "/*" : target}`;
  }

  get headers(): Headers {
    if (this.#headers === undefined) {
      this.#headers = new Headers();
      for (const [name, value] of this.#exchange.head.headers) this.#headers.append(name, value);
    }
    return this.#headers;
  }

  get body(): null {
    return null;
  }
}

/** Makes the request of an exchange. */
export function lazyRequest(exchange: Exchange): Request {
  // Sound for the stages here: they read what the class offers, and Hono itself reads method, url and headers only.
  return new LazyRequest(exchange) as unknown as Request;
}
