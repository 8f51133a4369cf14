/** The program inside a slot: seals itself, waits to be told which function it is, and serves it. It runs sandboxed from its first instruction. */
import type { Channel } from "#host/channel.ts";
import { adoptChannel } from "#host/channel-socket.ts";
import { MeshError } from "#host/mesh-error.ts";
import { FunctionHost } from "./child-function.ts";
import { sealProcess } from "./child-seal.ts";
import { warmUp } from "./child-warm.ts";
import { engineChannelLimits, type Scheduled, type Specialise } from "./engine-protocol.ts";

const ownerFd = 3;
const drainMaxMs = 30_000;

sealProcess();
let tell: Channel["notify"] = () => false;
const host = new FunctionHost((span) => tell("span", span), "/bundle");
const channel = await adoptChannel(
  ownerFd,
  {
    onRequest(method, params) {
      if (method === "warm") return warmUp();
      // Sound: the owner is our own program; only what comes from this side is hostile.
      if (method === "specialise") return host.specialise(params as Specialise);
      if (method === "scheduled") return host.runScheduled(params as Scheduled);
      throw new MeshError("bad-input", `Cannot do "${method}" as a function's process: no such request`);
    },
    onNotify: () => undefined,
    onClose: () => process.exit(0),
  },
  engineChannelLimits,
);
tell = channel.notify.bind(channel);

// As the first process of its pid namespace it would ignore the signal otherwise.
process.on("SIGTERM", () => {
  setTimeout(() => process.exit(0), drainMaxMs);
  void host.drain().finally(() => process.exit(0));
});
channel.notify("booted", {});
