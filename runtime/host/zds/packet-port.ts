/** The port between ZDS and its sockets: whole packets with descriptors, in order. The protocol is zds-connection.ts, the kernel's side packet-socket.ts. */

/** One end of a SEQPACKET connection. */
export interface PacketConnection {
  /**
   * Sends one packet; the descriptors stay the caller's.
   * @returns false when it was not taken: the peer does not read, or the connection is over
   */
  send(bytes: Uint8Array, fds: readonly number[]): boolean;
  /** Ends it; `onClose` follows when it was open. Idempotent. */
  close(): void;
}

/** What a connection tells its owner. */
export interface PacketHandlers {
  /** A packet came; the bytes are the handler's to keep. Descriptors that a peer sends are closed unseen: nobody sends us any. */
  onPacket(bytes: Uint8Array): void;
  /** It is over; called once. */
  onClose(): void;
}

/** Gives each connection that comes its handlers, or undefined to refuse it. */
export type OnPacketConnection = (connection: PacketConnection) => PacketHandlers | undefined;
