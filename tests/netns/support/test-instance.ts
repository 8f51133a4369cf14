/** Instances of test functions. */
import {
  type ExitReason,
  type Instance,
  type InstanceOptions,
  type Placement,
  placeBundle,
  startInstance,
} from "#isolate/instance.ts";
import type { EngineSpan } from "#isolate/engine-protocol.ts";
import type { SlotPool } from "#isolate/pool.ts";
import type { SlotHost } from "#isolate/slot.ts";

/** An instance with everything it said. */
export interface TestInstance {
  readonly instance: Instance;
  readonly lines: string[];
  readonly spans: EngineSpan[];
  readonly exited: Promise<ExitReason>;
}

/** Starts a function from its source in a slot of the pool. */
export async function startTestInstance(
  host: SlotHost,
  pool: SlotPool,
  source: string | Uint8Array,
  options: Partial<InstanceOptions & Placement> & { readonly env?: Record<string, string> } = {},
): Promise<TestInstance> {
  const lines: string[] = [];
  const spans: EngineSpan[] = [];
  const exited = Promise.withResolvers<ExitReason>();
  const { slot } = await pool.take(20_000);
  const bundle = typeof source === "string" ? Buffer.from(source) : source;
  placeBundle(slot, { bundle, memoryBytesMax: options.memoryBytesMax ?? 256 << 20 });
  const instance = await startInstance(slot, {
    function: {
      port: 8080,
      env: options.env ?? {},
      bindings: [{ name: "CART", function: "cart", namespace: "shop" }],
      function: "test",
      namespace: "shop",
      revision: "test-v1",
    },
    activationTimeoutMs: 10_000,
    clock: host.clock,
    onLine: ({ stream, text }) => lines.push(`${stream} ${text}`),
    onSpan: (span) => spans.push(span),
    onExit: exited.resolve,
    ...options,
  });
  return { instance, lines, spans, exited: exited.promise };
}
