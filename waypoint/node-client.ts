/** The node runtime as a waypoint asks it: activations and releases on `node.sock`, connected when first needed and again after a loss. */
import { readFileSync } from "node:fs";
import { parseSocketAddress, type SocketAddress } from "#core/address/socket-address.ts";
import { parseSpiffeId, type SpiffeId } from "#core/identity/spiffe-id.ts";
import type { Result } from "#core/result.ts";
import type { Channel } from "#host/channel.ts";
import { connectChannel } from "#host/channel-socket.ts";
import type { Clock } from "#host/clock.ts";
import { errorText, MeshError, meshErrorCode } from "#host/mesh-error.ts";
import type { Activated, ActivationPort, Rung } from "./lease-outcome.ts";

/** Where the node runtime is, and who is told. */
export interface NodeClientOptions {
  readonly socketPath: string;
  /** File with this program's token, read at each connection. */
  readonly tokenPath: string;
  readonly clock: Clock;
  readonly onInstanceGone: (instance: string) => void;
  /** An instance that was asked for is loading: a tunnel to it can be made meanwhile. */
  readonly onInstanceComing: (address: SocketAddress, identity: SpiffeId) => void;
  /** The connection is lost, and with it every lease. */
  readonly onLost: (reason: string) => void;
}

/** Between two attempts to reach a node runtime that does not answer, while a request waits. */
const retryMs = 50;
const helloTimeoutMs = 5000;
const releaseTimeoutMs = 5000;

/** A client; closing gives every lease back. */
export interface NodeClient extends ActivationPort {
  /** Connects ahead of the first request; failures show there. */
  connect(): void;
  close(): void;
}

/** Makes a client. */
export function openNodeClient(options: NodeClientOptions): NodeClient {
  return new Client(options);
}

class Client implements NodeClient {
  readonly #options: NodeClientOptions;
  #channel: Promise<Channel> | undefined;
  #isClosed = false;

  constructor(options: NodeClientOptions) {
    this.#options = options;
  }

  connect(): void {
    this.#connected().catch(() => undefined);
  }

  async activate(revision: string, further: boolean, timeoutMs: number): Promise<Activated> {
    const { clock } = this.#options;
    const untilMs = clock.monotonicMs() + timeoutMs;
    for (;;) {
      const leftMs = untilMs - clock.monotonicMs();
      const channel = await this.#reach(leftMs);
      try {
        return readActivated(await channel.request("activate", { revision, further }, leftMs));
      } catch (error) {
        // A channel that was lost says nothing about the revision: its successor is asked.
        if (channel.isOpen || meshErrorCode(error) !== "unavailable") throw error;
      }
    }
  }

  release(instance: string): void {
    void this.#channel
      ?.then((channel) => channel.request("release", { instance, idle: true }, releaseTimeoutMs))
      .catch(() => undefined); // the node forgets a lost channel's leases by itself
  }

  close(): void {
    this.#isClosed = true;
    void this.#channel?.then((channel) => channel.close()).catch(() => undefined);
  }

  /** Waits for a connection, trying again until the time is over. */
  async #reach(withinMs: number): Promise<Channel> {
    const { clock, socketPath } = this.#options;
    const untilMs = clock.monotonicMs() + withinMs;
    for (;;) {
      try {
        return await this.#connected();
      } catch (error) {
        if (clock.monotonicMs() + retryMs >= untilMs)
          throw new MeshError(
            "timeout",
            `Cannot reach the node runtime at ${socketPath}: ${errorText(error)}`,
          );
        const waited = Promise.withResolvers<void>();
        clock.after(retryMs, () => waited.resolve());
        await waited.promise;
      }
    }
  }

  #connected(): Promise<Channel> {
    if (this.#isClosed)
      return Promise.reject(new MeshError("canceled", "Cannot ask the node: this waypoint ends"));
    if (this.#channel !== undefined) return this.#channel;
    const opening = this.#open();
    this.#channel = opening;
    opening.catch(() => this.#forget(opening));
    return opening;
  }

  async #open(): Promise<Channel> {
    const { socketPath, tokenPath, onInstanceGone, onLost } = this.#options;
    const token = readFileSync(tokenPath, "utf8").trim();
    const opened = { isReady: false };
    const channel = await connectChannel(socketPath, {
      onRequest: (method) => {
        throw new MeshError("bad-input", `Cannot do ${method.slice(0, 50)} for the node here`);
      },
      onNotify: (method, params) => {
        const instance = method === "instance-gone" ? textOf(params, "instance") : undefined;
        if (instance !== undefined) onInstanceGone(instance);
        if (method === "instance-coming") this.#onComing(params);
      },
      onClose: (reason) => {
        this.#channel = undefined;
        if (opened.isReady && !this.#isClosed) onLost(reason);
      },
    });
    await channel.request("hello", { token }, helloTimeoutMs);
    opened.isReady = true;
    return channel;
  }

  #onComing(params: unknown): void {
    const address = readAddress(params);
    const identity = parseSpiffeId(textOf(params, "identity") ?? "");
    if (address.ok && identity.ok) this.#options.onInstanceComing(address.value, identity.value);
  }

  #forget(opening: Promise<Channel>): void {
    if (this.#channel === opening) this.#channel = undefined;
  }
}

const rungs: ReadonlySet<string> = new Set<Rung>(["running", "pooled", "new"]);

function readActivated(result: unknown): Activated {
  const instance = textOf(result, "instance");
  const address = readAddress(result);
  const identity = parseSpiffeId(textOf(result, "identity") ?? "");
  const rung = textOf(result, "rung") ?? "";
  if (instance !== undefined && address.ok && identity.ok && rungs.has(rung)) {
    // Sound: membership was just checked.
    return { instance, address: address.value, identity: identity.value, rung: rung as Rung };
  }
  throw new MeshError(
    "protocol-violation",
    "Cannot read an activation's answer: a field is missing or malformed",
  );
}

function readAddress(value: unknown): Result<SocketAddress> {
  return parseSocketAddress(`${textOf(value, "address")}:${numberOf(value, "port")}`);
}

function numberOf(value: unknown, name: string): number | undefined {
  const found = fieldOf(value, name);
  return typeof found === "number" ? found : undefined;
}

function textOf(value: unknown, name: string): string | undefined {
  const found = fieldOf(value, name);
  return typeof found === "string" ? found : undefined;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
