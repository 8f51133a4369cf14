/** Opens channels over real sockets: an inherited descriptor, a unix path to connect to, a unix path to serve. */
import { chmodSync, rmSync } from "node:fs";
import {
  type Channel,
  ChannelCore,
  type ChannelHandlers,
  type ChannelLimits,
  defaultChannelLimits,
} from "./channel.ts";
import { errorText, MeshError } from "./mesh-error.ts";

interface Held {
  core: ChannelCore | undefined;
}

const callbacks = {
  data: (socket: Bun.Socket<Held>, bytes: Buffer): void => socket.data.core?.receive(bytes),
  drain: (socket: Bun.Socket<Held>): void => socket.data.core?.drain(),
  end: (socket: Bun.Socket<Held>): void => socket.data.core?.finish("the peer ended it"),
  close: (socket: Bun.Socket<Held>): void => socket.data.core?.finish("the peer closed it"),
  error: (socket: Bun.Socket<Held>, error: Error): void => socket.data.core?.finish(error.message),
};

/** Talks over a connected unix stream socket whose descriptor is ours; the channel owns it from now on. */
export async function adoptChannel(
  fd: number,
  handlers: ChannelHandlers,
  limits: ChannelLimits = defaultChannelLimits,
): Promise<Channel> {
  return connect({ fd }, handlers, limits);
}

/**
 * Connects to a served path.
 * @throws MeshError `unavailable` when nobody serves it.
 */
export async function connectChannel(
  path: string,
  handlers: ChannelHandlers,
  limits: ChannelLimits = defaultChannelLimits,
): Promise<Channel> {
  return connect({ unix: path }, handlers, limits);
}

/** A served path; closing it leaves open channels alone. */
export interface ChannelServer extends Disposable {
  close(): void;
}

/** Serves a path, mode 0600, replacing a stale socket file; `onChannel` gives each new channel its handlers. */
export function serveChannels(
  path: string,
  onChannel: (channel: Channel) => ChannelHandlers,
  limits: ChannelLimits = defaultChannelLimits,
): ChannelServer {
  rmSync(path, { force: true });
  const listener = Bun.listen<Held>({
    unix: path,
    data: { core: undefined },
    socket: {
      ...callbacks,
      open(socket) {
        const late: { handlers: ChannelHandlers | undefined } = { handlers: undefined };
        const core = new ChannelCore(socket, forward(late), limits);
        socket.data = { core };
        late.handlers = onChannel(core);
      },
    },
  });
  chmodSync(path, 0o600);
  const close = (): void => {
    listener.stop(false);
    rmSync(path, { force: true });
  };
  return { close, [Symbol.dispose]: close };
}

function forward(late: { handlers: ChannelHandlers | undefined }): ChannelHandlers {
  return {
    onRequest: (method, params) => late.handlers?.onRequest(method, params),
    onNotify: (method, params) => late.handlers?.onNotify(method, params),
    onClose: (reason) => late.handlers?.onClose(reason),
  };
}

async function connect(
  to: { fd: number } | { unix: string },
  handlers: ChannelHandlers,
  limits: ChannelLimits,
): Promise<Channel> {
  const held: Held = { core: undefined };
  const opened = Promise.withResolvers<Channel>();
  const where = "unix" in to ? to.unix : `descriptor ${to.fd}`;
  const failed = (error: unknown): void =>
    opened.reject(
      new MeshError("unavailable", `Cannot open a channel to ${where}: ${errorText(error)}`, error),
    );
  const options = {
    ...to,
    data: held,
    socket: {
      ...callbacks,
      open(socket: Bun.Socket<Held>): void {
        held.core = new ChannelCore(socket, handlers, limits);
        opened.resolve(held.core);
      },
      connectError: (_: Bun.Socket<Held>, error: Error): void => failed(error),
    },
  };
  // Sound: Bun takes `fd` here though its types do not say so.
  Bun.connect<Held>(options as unknown as Bun.UnixSocketOptions<Held>).catch(failed);
  return opened.promise;
}
