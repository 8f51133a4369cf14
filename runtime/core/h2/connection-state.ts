/** The facts of one HTTP/2 connection that its receiving and its sending half share. */
import type { ConnectionHandler, ConnectionOptions } from "./connection-options.ts";
import { initialDefaults } from "./frame.ts";
import { initialPeerSettings, type PeerSettings } from "./settings.ts";
import { StreamTable } from "./stream-table.ts";

/** Plain facts; the two halves change them, the connection reads them. */
export class ConnectionState {
  readonly options: ConnectionOptions;
  readonly handler: ConnectionHandler;
  readonly streams: StreamTable;
  /** What the peer announced last. */
  peer: PeerSettings = initialPeerSettings;
  /** The connection's send window. */
  sendWindowBytes: number = initialDefaults.windowBytes;
  /** What the peer may send on the whole connection. */
  receiveWindowBytes: number = initialDefaults.windowBytes;
  /** Consumed, but not yet returned for the whole connection. */
  creditBytes = 0;
  /** The receive window new streams begin with: ours once the peer acknowledged it. */
  streamWindowBytes: number = initialDefaults.windowBytes;
  /** Whether our SETTINGS were acknowledged. */
  isAcknowledged = false;
  /** The connection failed or was closed: nothing is read or written any more. */
  isOver = false;
  /** The last stream id of the GOAWAY we sent. */
  goawaySent: number | undefined;
  /** The last stream id of the GOAWAY we got. */
  goawayReceived: number | undefined;

  constructor(options: ConnectionOptions, handler: ConnectionHandler) {
    this.options = options;
    this.handler = handler;
    this.streams = new StreamTable(options.role);
  }
}
