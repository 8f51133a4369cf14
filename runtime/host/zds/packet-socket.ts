/** Serves the packet port on a SEQPACKET unix socket; what the packets mean is zds-connection.ts's business. */
import {
  acceptPackets,
  listenPackets,
  type Received,
  receivePacket,
  sendPacket,
} from "#host/linux/seqpacket.ts";
import { closeFd, type Libc } from "#host/linux/libc.ts";
import type { Poller, Watch } from "#host/linux/poller.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import { rmSync } from "node:fs";
import type { OnPacketConnection, PacketConnection, PacketHandlers } from "./packet-port.ts";

/** What serving needs. */
export interface PacketSocketOptions {
  readonly libc: Libc;
  readonly poller: Poller;
  readonly log: Log;
  readonly path: string;
}

/** Longest packet a ztunnel may send; Istio's buffers hold 1024 bytes. */
const packetBytesMax = 4096;

/** Serves a path, mode 0600, replacing a stale socket file. Connections outlive the server: their owner closes them. */
export function servePackets(options: PacketSocketOptions, onConnection: OnPacketConnection): Disposable {
  const { libc, poller, log, path } = options;
  const listener = listenPackets(libc, path);
  const watch = poller.watch(listener, "readable", () => {
    try {
      for (let fd = acceptPackets(libc, listener); fd !== undefined; fd = acceptPackets(libc, listener))
        new SocketConnection(options, fd).open(onConnection);
    } catch (error) {
      log.error("cannot accept a ztunnel", { error: errorText(error) });
    }
    watch.rearm();
  });
  return {
    [Symbol.dispose]() {
      watch.close();
      closeFd(libc, listener);
      rmSync(path, { force: true });
    },
  };
}

class SocketConnection implements PacketConnection {
  readonly #options: PacketSocketOptions;
  readonly #fd: number;
  #watch: Watch | undefined;
  #handlers: PacketHandlers | undefined;
  #isOpen = true;

  constructor(options: PacketSocketOptions, fd: number) {
    this.#options = options;
    this.#fd = fd;
  }

  open(onConnection: OnPacketConnection): void {
    this.#handlers = onConnection(this);
    if (this.#handlers === undefined) return this.close();
    if (this.#isOpen)
      this.#watch = this.#options.poller.watch(this.#fd, "readable", () => this.#onReadable());
  }

  send(bytes: Uint8Array, fds: readonly number[]): boolean {
    try {
      return this.#isOpen && sendPacket(this.#options.libc, this.#fd, bytes, fds);
    } catch {
      return false; // the peer is gone; its owner closes us
    }
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#watch?.close();
    closeFd(this.#options.libc, this.#fd);
    this.#handlers?.onClose();
  }

  #onReadable(): void {
    while (this.#isOpen) {
      const received = this.#receive();
      if (received.kind === "empty") {
        this.#watch?.rearm();
        return;
      }
      if (received.kind !== "message") return this.close();
      for (const fd of received.message.fds) closeFd(this.#options.libc, fd);
      this.#handlers?.onPacket(received.message.data);
    }
  }

  #receive(): Received {
    try {
      return receivePacket(this.#options.libc, this.#fd, { bytesMax: packetBytesMax, fdsMax: 0 });
    } catch {
      return { kind: "ended" }; // a reset is an end like any other
    }
  }
}
