/** A response that makes the connection its maker's: what follows the 101 is another protocol. Only the API's port can carry one. */
import type { ByteStream } from "#host/byte-stream.ts";

/** What happens once the 101 has been sent. */
export interface Upgrade {
  /** Name of the protocol, for the Upgrade field. */
  readonly protocol: string;
  /** Further fields of the 101. */
  readonly headers: Readonly<Record<string, string>>;
  /** Takes over the connection; it is paused and starts with `rest`, which came behind the request. Sets the handler at once. */
  readonly take: (stream: ByteStream, rest: Uint8Array) => void;
}

/** See the file's head. */
export class UpgradeResponse extends Response {
  readonly upgrade: Upgrade;

  constructor(upgrade: Upgrade) {
    super(null, { status: 101 });
    this.upgrade = upgrade;
  }
}
