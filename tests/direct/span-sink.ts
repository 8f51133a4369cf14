/** The spans' store of these tests: keeps what was exported to it as it came. */
import type { TestCa } from "../support/test-ca.ts";

/** A span as the store received it. */
export interface ExportedSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
}

interface OtlpTraces {
  readonly resourceSpans: readonly {
    readonly resource: {
      readonly attributes: readonly { readonly value: { readonly stringValue: string } }[];
    };
    readonly scopeSpans: readonly { readonly spans: readonly Omit<ExportedSpan, "service">[] }[];
  }[];
}

/** Serves the store on a unix socket. */
export function serveSpanSink(
  unix: string,
  ca: TestCa,
): { readonly spans: readonly ExportedSpan[]; close(): void } {
  const spans: ExportedSpan[] = [];
  const { keyPem, chainPem } = ca.issueServer(["lambient.local"]);
  const server = Bun.serve({
    unix,
    tls: { key: keyPem, cert: chainPem },
    async fetch(request) {
      const body = (await request.json()) as OtlpTraces;
      for (const { resource, scopeSpans } of body.resourceSpans)
        for (const scope of scopeSpans)
          for (const span of scope.spans)
            spans.push({ ...span, service: resource.attributes[0]?.value.stringValue ?? "" });
      return new Response(request.headers.get("authorization"));
    },
  });
  return { spans, close: () => void server.stop(true) };
}
