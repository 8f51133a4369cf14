/** Connections that the kernel takes its time over: an adopted socket is connected when it is, not when it is handed over. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { IpAddress } from "#core/address/ip.ts";
import { closeFd, closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { bindSocket, localEndpoint, startConnect } from "#host/linux/sockets.ts";
import { connectStream } from "#host/tunnel/socket-stream.ts";
import { waitUntil } from "../support/wait-until.ts";

let libc: Libc;

beforeAll(() => {
  libc = openLibc();
});
afterAll(() => closeLibc(libc));

const loopback = "127.0.0.1" as IpAddress; // Sound: it is in its canonical form.
const nonBlocking = 0o4000;

test("a connection that a full listener keeps waiting comes about once there is room", async () => {
  const listener = libc.call("Cannot make a socket", "socket", 2, 1 | nonBlocking, 0);
  bindSocket(libc, listener, { address: loopback, port: 0 });
  libc.call("Cannot listen", "listen", listener, 0);
  const to = localEndpoint(libc, listener);
  // One is taken by a backlog of 0; the kernel drops what comes after it.
  const others = [0, 1, 2].map(() => startConnect(libc, libc.homeNamespace, { to }));
  const late = startConnect(libc, libc.homeNamespace, { to });
  const connected = connectStream({ kind: "fd", fd: late }, { timeoutMs: 8000 });
  let isConnected = false;
  void connected.then(() => (isConnected = true));
  const accepted: number[] = [];
  await Bun.sleep(0);
  expect(isConnected).toBe(false);
  await waitUntil("it is connected", () => {
    const fd = libc.attempt("accept4", listener, null, null, 0);
    if (fd >= 0) accepted.push(fd);
    return isConnected;
  });
  const stream = await connected;
  expect(stream.peerAddress.port).toBe(to.port);
  stream.reset();
  for (const fd of [...others, ...accepted, listener]) closeFd(libc, fd);
}, 15_000);
