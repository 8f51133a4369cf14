/** The connection to the node runtime on `node.sock`: kept up for as long as it is open, asked through while it is up. */
import { readFileSync } from "node:fs";
import type { Channel } from "#host/channel.ts";
import { connectChannel } from "#host/channel-socket.ts";
import type { Clock, Timer } from "#host/clock.ts";
import { backoffMs } from "#host/discovery/backoff.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";

/** Where the node runtime is. */
export interface NodeLinkOptions {
  readonly socketPath: string;
  readonly tokenPath: string;
  readonly clock: Clock;
  /** The link came up, after a new `hello`. */
  readonly onUp: () => void;
  readonly onDown: (reason: string) => void;
}

/** See the file's head. */
export interface NodeLink {
  readonly isUp: boolean;
  /** @throws MeshError (rejects): `unavailable` while the link is down, and what the node runtime answers */
  request(method: string, params: unknown, timeoutMs: number): Promise<unknown>;
  close(): void;
}

const backoff = { firstMs: 20, longestMs: 1000, jitter: 0.2 };
const helloTimeoutMs = 5000;

/** Starts connecting; returns at once. */
export function openNodeLink(options: NodeLinkOptions): NodeLink {
  let channel: Channel | undefined;
  let retry: Timer | undefined;
  let failures = 0;
  let isOpen = true;

  const lost = (reason: string): void => {
    channel = undefined;
    if (!isOpen) return;
    failures++;
    options.onDown(reason);
    retry = options.clock.after(backoffMs(backoff, failures, Math.random()), () => void connect());
  };

  const connect = async (): Promise<void> => {
    let made: Channel | undefined;
    // An end before the greeting is over is told once, by the greeting's failure.
    let isGreeted = false;
    try {
      made = await connectChannel(options.socketPath, {
        onRequest: (method) => {
          throw new MeshError("not-found", `Cannot answer ${method}: the control plane has no methods`);
        },
        onNotify() {},
        onClose(reason) {
          if (isGreeted) lost(reason);
        },
      });
      const token = readFileSync(options.tokenPath, "utf8").trim();
      await made.request("hello", { token }, helloTimeoutMs);
      if (!isOpen) return made.close();
      isGreeted = true;
      if (!made.isOpen) return lost("it closed after the greeting");
      channel = made;
      failures = 0;
      options.onUp();
    } catch (error) {
      made?.close();
      lost(errorText(error));
    }
  };

  void connect();
  return {
    get isUp() {
      return channel !== undefined;
    },
    request(method, params, timeoutMs) {
      if (channel !== undefined) return channel.request(method, params, timeoutMs);
      return Promise.reject(
        new MeshError(
          "unavailable",
          `Cannot ask the node runtime for ${method}: it is not connected; look at "lambient status"`,
        ),
      );
    },
    close() {
      isOpen = false;
      retry?.cancel();
      channel?.close();
    },
  };
}
