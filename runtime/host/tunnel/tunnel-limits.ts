/** The numbers of a tunnel: windows, limits and deadlines, with Istio's values as defaults. */

/** Limits of one connection; each has a default in {@link serverLimits} and {@link clientLimits}. */
export interface TunnelLimits {
  /** What the peer may send on a stream before we take it, 4 MiB. Bounds the memory of a slow reader. */
  readonly streamWindowBytes: number;
  /** The same for all streams of the connection together, 16 MiB. */
  readonly connectionWindowBytes: number;
  /** The largest frame we take, 1 MiB. */
  readonly frameBytesMax: number;
  /** The largest decoded header list we take, 64 KiB as a server, 16 KiB as a client. */
  readonly headerListBytesMax: number;
  /** Streams the peer may have open at once, 200 (server); streams we open at once, 100 (client). */
  readonly streamsMax: number;
  /** Bytes taken from streams and not yet from us by the socket, 256 KiB; beyond it writes wait. */
  readonly outputBytesMax: number;
  /** From the accept or dial to the end of the handshake, 10 s. */
  readonly handshakeTimeoutMs: number;
  /** From a CONNECT to its answer, 30 s (client): a cold start or a slow connect happens in between. */
  readonly answerTimeoutMs: number;
  /** Between keep-alive pings, 10 s. */
  readonly pingIntervalMs: number;
  /** From a ping to its answer before the connection is given up, 20 s. */
  readonly pingTimeoutMs: number;
}

const shared = {
  streamWindowBytes: 4 << 20,
  connectionWindowBytes: 16 << 20,
  frameBytesMax: 1 << 20,
  outputBytesMax: 256 << 10,
  handshakeTimeoutMs: 10_000,
  answerTimeoutMs: 30_000,
  pingIntervalMs: 10_000,
  pingTimeoutMs: 20_000,
};

/** The defaults of the accepting end. */
export const serverLimits: TunnelLimits = { ...shared, headerListBytesMax: 64 << 10, streamsMax: 200 };

/** The defaults of the dialling end. */
export const clientLimits: TunnelLimits = { ...shared, headerListBytesMax: 16 << 10, streamsMax: 100 };
