/** What a connection is made with, and whom it tells; the defaults belong to its users. */
import type { H2Error } from "./error-code.ts";
import type { HeaderField } from "./header-field.ts";
import type { H2Stream } from "./h2-stream.ts";

/** Limits of one connection. */
export interface ConnectionOptions {
  readonly role: "client" | "server";
  /** What the peer may send on one stream before it is taken. */
  readonly streamWindowBytes: number;
  /** The same for the whole connection. */
  readonly connectionWindowBytes: number;
  /** The largest frame we take, 16 KiB to 16 MiB. */
  readonly frameBytesMax: number;
  /** The largest header list we take, as SETTINGS_MAX_HEADER_LIST_SIZE counts. */
  readonly headerListBytesMax: number;
  /** Server: streams the peer may have open. Client: streams we open, whatever the peer allows. */
  readonly streamsMax: number;
  /** Bytes taken from streams that the socket has not taken yet; beyond it writes wait. */
  readonly outputBytesMax: number;
}

/** Whom a connection tells. */
export interface ConnectionHandler {
  /** A request's head arrived (server). The stream holds its data until it has a handler. */
  onRequest(stream: H2Stream, fields: readonly HeaderField[]): void;
  /** There is output to send: take `output()` soon, and say `taken()`. Called once until the output was looked at. */
  onOutput(): void;
  /** There is so much output that it should be sent now. */
  onOutputFull(): void;
  /** The peer will take no more streams from us, or (a server's peer) none of ours. */
  onGoaway(): void;
  /** The answer to our ping. */
  onPong(): void;
  /** A stream is gone, or the peer allows another number: there may be room for one, or nothing left to wait for. */
  onStreamsChanged(): void;
  /** The connection failed by HTTP/2's rules; what is left of the output says so to the peer. Exactly once. */
  onFailure(error: H2Error): void;
}
