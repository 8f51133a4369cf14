/** Walks once, ahead of time, through what an activation and a first request would otherwise walk cold: it halves the time to ready. */
import { unlinkSync, writeFileSync } from "node:fs";
import { FunctionHost } from "./child-function.ts";

/** Not the bundle's folder: the engine reads a folder's list once, and the bundle comes later. */
const folder = "/tmp";
const file = "warm.js";

/** Becomes a function of no consequence on a loopback port, answers one request, and forgets it again. */
export async function warmUp(): Promise<void> {
  const original = globalThis.fetch;
  writeFileSync(`${folder}/${file}`, "export default { fetch: () => new Response('warm') };");
  const host = new FunctionHost(() => undefined, folder);
  const names = { function: "warm", namespace: "warm", revision: "warm" };
  const ready = await host.specialise({ file, port: 0, env: {}, bindings: [], ...names });
  if (ready.kind === "failed") throw new Error(ready.message);
  await requestOnce(host.port);
  await host.drain();
  globalThis.fetch = original;
  unlinkSync(`${folder}/${file}`);
}

function requestOnce(port: number): Promise<void> {
  const answered = Promise.withResolvers<void>();
  Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (socket) => void socket.write("GET / HTTP/1.1\r\nHost: warm\r\nConnection: close\r\n\r\n"),
      data: () => undefined,
      close: () => answered.resolve(),
    },
  }).catch(answered.reject);
  return answered.promise;
}
