/** Serves `node.sock`: a session for each channel, and no more channels than are bounded here. */
import { type ChannelServer, serveChannels } from "#host/channel-socket.ts";
import type { Channel, ChannelHandlers } from "#host/channel.ts";
import type { Log } from "#host/log.ts";
import type { LeaseHolder } from "./activation/instance.ts";
import type { NodeWork } from "./node-methods.ts";
import { NodeSession } from "./node-session.ts";
import type { TokenVerifier } from "./tokens.ts";

/** What serving needs. */
export interface ServeNodeOptions {
  /** `<run-dir>/node.sock` */
  readonly path: string;
  readonly work: NodeWork;
  readonly tokens: TokenVerifier;
  readonly log: Log;
  /** A caller is gone: its leases are to be given back. */
  readonly onGone: (holder: LeaseHolder) => void;
}

/** Every waypoint of a node, the control plane, and some command lines. */
const channelsMax = 256;

/** Starts serving. */
export function serveNode({ path, work, tokens, log, onGone }: ServeNodeOptions): ChannelServer {
  const open = new Set<LeaseHolder>();
  return serveChannels(path, (channel: Channel): ChannelHandlers => {
    const session = new NodeSession({
      channel,
      work,
      tokens,
      onClose(holder) {
        open.delete(holder);
        onGone(holder);
      },
    });
    if (open.size >= channelsMax) {
      log.warn("caller refused", { reason: `${channelsMax} channels are open` });
      queueMicrotask(() => channel.close());
    }
    open.add(session);
    return session;
  });
}
