/** Sends an exchange's response to its caller: the instance's as it streams in, or one of our own. */
import { encodeResponseHead } from "#core/http1/encode.ts";
import type { Framing, ResponseHead } from "#core/http1/head.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import { endToEndFields, framingFields } from "#core/http1/hop.ts";
import { formatTraceparent } from "#core/telemetry/trace-context.ts";
import { BodyWriter } from "./body.ts";
import type { Exchange, UpstreamAnswer } from "./exchange.ts";
import type { Output } from "./output.ts";

/** The connection as a response sees it. */
export interface ResponseTarget {
  readonly output: Output;
  /** Calls back once when the output has room again. */
  whenRoom(action: () => void): void;
  /** Whether another request may follow a response with this framing. */
  keepsAlive(exchange: Exchange, framing: Framing): boolean;
  /** The response left whole. */
  onSent(exchange: Exchange, keepAlive: boolean): void;
  /** The response cannot be finished: the connection is reset. */
  onCut(exchange: Exchange): void;
}

/** Bodies of our own are small; more than this is a broken stage. */
const ownBodyBytesMax = 1 << 20;

/** Sends the response; the target hears of its end. */
export function sendResponse(exchange: Exchange, target: ResponseTarget): void {
  const { answer, response } = exchange;
  if (answer !== undefined && response === answer.marker) return forwardAnswer(exchange, answer, target);
  sendOwn(exchange, response ?? new Response("no response\n", { status: 500 }), target).catch(() => {
    // A stage gave a response whose body fails: nothing was sent yet, and nothing better can be said.
    target.onCut(exchange);
  });
}

function forwardAnswer(exchange: Exchange, answer: UpstreamAnswer, target: ResponseTarget): void {
  const framing = callersFraming(exchange, answer.framing);
  const keepAlive = target.keepsAlive(exchange, framing);
  const fields = endToEndFields(answer.head.headers).filter(
    // A function that passes on another's response has its trace in it: the caller's request has ours.
    ([name]) => name !== "traceresponse" || exchange.caller.isOutside,
  );
  const length = answer.framing.kind === "none" ? declaredLength(answer.head.headers) : undefined;
  // Without a body the length is that of the representation (HEAD, 304), and so it is kept.
  if (length !== undefined) fields.push(["content-length", length]);
  fields.push(...framingFields(framing), ...ownFields(exchange, keepAlive));
  exchange.status = answer.head.status;
  const { output } = target;
  output.put(encodeResponseHead({ ...answer.head, headers: fields }));
  const writer = new BodyWriter(output, framing, exchange.received.version === "1.1");
  answer.body.pipe({
    onData: (bytes) => writer.write(bytes),
    onPause() {
      output.flush();
      if (!output.isFull) return;
      answer.body.pause();
      target.whenRoom(() => answer.body.resume());
    },
    onEnd(trailers) {
      writer.end(trailers);
      exchange.bytesSent = writer.bytes;
      target.onSent(exchange, keepAlive);
    },
    onAbort(error) {
      exchange.bytesSent = writer.bytes;
      if (exchange.flag === "-") exchange.flag = "UC";
      if (exchange.detail === "") exchange.detail = error.message;
      target.onCut(exchange);
    },
  });
}

async function sendOwn(exchange: Exchange, response: Response, target: ResponseTarget): Promise<void> {
  const body = await response.bytes();
  if (exchange.ending.isOver) return;
  const isBodiless =
    exchange.received.method === "HEAD" || response.status === 204 || response.status === 304;
  const bytes = isBodiless || body.length > ownBodyBytesMax ? new Uint8Array(0) : body;
  const framing: Framing = { kind: "length", bytes: body.length };
  const keepAlive = target.keepsAlive(exchange, framing);
  const fields: HeaderField[] = [...response.headers];
  if (response.status !== 204) fields.push(...framingFields(framing));
  fields.push(...ownFields(exchange, keepAlive));
  const head: ResponseHead = { status: response.status, reason: "", version: "1.1", headers: fields };
  exchange.status = response.status;
  exchange.bytesSent = bytes.length;
  target.output.put(encodeResponseHead(head));
  target.output.put(bytes);
  target.output.flush();
  target.onSent(exchange, keepAlive);
}

/** HTTP/1.0 knows no chunks: there a body of unknown length lasts until close. */
function callersFraming(exchange: Exchange, framing: Framing): Framing {
  if (framing.kind === "chunked" || framing.kind === "until-close")
    return exchange.received.version === "1.1" ? { kind: "chunked" } : { kind: "until-close" };
  return framing;
}

function declaredLength(fields: readonly HeaderField[]): string | undefined {
  return fields.find(([name]) => name === "content-length")?.[1];
}

/** What we add: which rung served it, where its trace is, and whether the connection stays. */
function ownFields(exchange: Exchange, keepAlive: boolean): HeaderField[] {
  const fields: HeaderField[] = [];
  const rung = exchange.lease?.rung;
  if (rung !== undefined) fields.push(["server-timing", `rung;desc="${rung}"`]);
  if (!exchange.caller.isOutside || exchange.answer === undefined)
    fields.push(["traceresponse", formatTraceparent(exchange.trace.context)]);
  if (!keepAlive) fields.push(["connection", "close"]);
  else if (exchange.received.version === "1.0") fields.push(["connection", "keep-alive"]);
  return fields;
}
