/** A caller that speaks bytes: one stream of a tunnel to a waypoint, written and read without an HTTP library. */
import type { IpAddress } from "#core/address/ip.ts";
import { openTunnel } from "#host/tunnel/open-tunnel.ts";
import { spiffeId } from "../support/test-ca.ts";
import type { Neighbours } from "./waypoint-neighbours.ts";
import { priceVip } from "./waypoint-objects.ts";

/** One stream. */
export interface RawStream {
  /** Text received, as latin-1; only the first megabyte is kept. */
  readonly text: string;
  readonly received: number;
  readonly receivedBytes: number;
  readonly closed: Promise<void>;
  write(text: string): void;
  /** Writes so many bytes, as fast as they are taken. */
  pour(totalBytes: number): void;
  readonly pouredBytes: number;
  pause(): void;
  resume(): void;
}

const keptMax = 1 << 20;

/** Opens a stream to the waypoint's service. */
export async function openRaw(mesh: Neighbours, waypoint: IpAddress, identity: string): Promise<RawStream> {
  const tunnel = await openTunnel({
    dial: { kind: "address", hostname: waypoint, port: 15008 },
    certificate: mesh.ads.ca.issue(identity),
    expectedPeers: new Set([spiffeId("ns/shop/sa/waypoint")]),
  });
  const outcome = await tunnel.connect([
    [":method", "CONNECT"],
    [":authority", priceVip],
  ]);
  if (outcome.kind === "refused") throw new Error(`Cannot open a stream: ${outcome.status}`);
  const { stream } = outcome;
  const closed = Promise.withResolvers<void>();
  const state = { text: "", bytes: 0, poured: 0, toPour: 0 };
  const chunk = new Uint8Array(256 << 10);
  const fill = (): void => {
    for (let taken = chunk.length; taken > 0 && state.poured < state.toPour; state.poured += taken)
      taken = stream.write(chunk.subarray(0, Math.min(chunk.length, state.toPour - state.poured)));
  };
  stream.handle({
    onData(bytes) {
      state.bytes += bytes.length;
      if (state.text.length < keptMax) state.text += Buffer.from(bytes).toString("latin1");
    },
    onDrain: fill,
    onEnd: () => stream.end(),
    onClose() {
      tunnel.close();
      closed.resolve();
    },
  });
  return {
    get text() {
      return state.text;
    },
    get received() {
      return state.text.length;
    },
    get receivedBytes() {
      return state.bytes;
    },
    closed: closed.promise,
    write: (text) => void stream.write(Buffer.from(text, "latin1")),
    pour(totalBytes) {
      state.toPour = totalBytes;
      fill();
    },
    get pouredBytes() {
      return state.poured;
    },
    pause: () => stream.pause(),
    resume: () => stream.resume(),
  };
}

/** Writes the text and gives everything that comes until the waypoint closes the stream. */
export async function exchangeRaw(stream: RawStream, text: string): Promise<string> {
  stream.write(text);
  await stream.closed;
  return stream.text;
}
