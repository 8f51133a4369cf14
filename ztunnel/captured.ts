/** A captured connection as it is handed on; how it is carried is decided elsewhere. */
import type { SocketStream } from "#host/tunnel/tcp-stream.ts";
import type { LocalWorkload } from "./local-workload.ts";
import type { OutsideNames } from "./outside-names.ts";

/** A captured connection with what is known of its maker. */
export interface Captured {
  readonly workload: LocalWorkload;
  readonly stream: SocketStream;
  /** What the workload's name server answered for names outside the mesh. */
  readonly names: OutsideNames;
}
