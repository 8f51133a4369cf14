/** A program in a waypoint's place: takes its role over descriptor 3, then answers each line on its tunnel port in plain text, or sleeps or dies when the line says so. */
import { adoptChannel } from "#host/channel-socket.ts";
import { closeLibc, openLibc } from "#host/linux/libc.ts";
import { openPidfd, takeFd } from "#host/linux/sockets.ts";

const channel = await adoptChannel(3, {
  onRequest(_, params) {
    // Sound: the node runtime is the only one that asks.
    const { listenerFd, ownerPid, name } = params as { listenerFd: number; ownerPid: number; name: string };
    const libc = openLibc();
    const fd = takeFd(libc, openPidfd(libc, ownerPid), listenerFd);
    closeLibc(libc);
    const options = {
      fd,
      socket: {
        data(socket: Bun.Socket, bytes: Buffer) {
          const said = bytes.toString().trim();
          if (said === "die") process.exit(9);
          socket.write(`${name} ${process.pid}\n`);
          socket.end();
          if (said !== "sleep") return;
          listener.stop(false);
          channel.notify("asleep", {});
          setTimeout(() => process.exit(0), 20);
        },
      },
    };
    // Sound: Bun takes `fd` here though its types do not say so.
    const listener = Bun.listen(options as unknown as Bun.UnixSocketOptions);
    return {};
  },
  onNotify() {},
  onClose: () => process.exit(0),
});
channel.notify("booted", {});
