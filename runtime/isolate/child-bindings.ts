/** A function's bindings: other functions as objects with a `fetch`, which goes through the mesh like any other call. */
import type { EngineBinding } from "./engine-protocol.ts";

/** Another function. */
export interface Fetcher {
  fetch(input: Request | URL | string, init?: RequestInit): Promise<Response>;
}

/** Makes a binding. Only path and query of what is asked for count; a relative path is enough. */
export function bindingOf(binding: EngineBinding): Fetcher {
  const base = `http://${binding.function}.${binding.namespace}`;
  return {
    fetch(input, init) {
      const asked = input instanceof Request ? input.url : String(input);
      const { pathname, search } = new URL(asked, base);
      const target = base + pathname + search;
      // `fetch` is looked up at the call: the tracer replaces it once the function is known.
      return input instanceof Request ? fetch(new Request(target, input), init) : fetch(target, init);
    },
  };
}
