/** Asks the node runtime itself which instances it has: the API's list is a moment old. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connectChannel } from "#host/channel-socket.ts";
import type { Place } from "./mesh-process.ts";

/** The node runtime's table. */
export interface NodeInstances {
  /** The namespace of each instance that has a process. */
  namespaces(): Promise<readonly string[]>;
  /** Slots that are booted and wait for a function. */
  readySlots(): Promise<number>;
  close(): void;
}

const answerMs = 5000;

/** Connects with the administrator's token. */
export async function openNode({ runDir }: Place): Promise<NodeInstances> {
  const handlers = { onRequest: () => null, onNotify() {}, onClose() {} };
  const channel = await connectChannel(join(runDir, "node.sock"), handlers);
  await channel.request("hello", { token: readFileSync(join(runDir, "tokens/admin"), "utf8") }, answerMs);
  return {
    async namespaces() {
      const answer = await channel.request("instances", {}, answerMs);
      const { instances } = answer as { readonly instances: readonly { readonly namespace: string }[] };
      return instances.map(({ namespace }) => namespace);
    },
    async readySlots() {
      const response = await fetch("http://admin/metrics", { unix: join(runDir, "admin/node-runtime.sock") });
      return Number(/^lambient_slots_ready\S* (\d+)$/m.exec(await response.text())?.[1] ?? 0);
    },
    close: () => channel.close(),
  };
}
