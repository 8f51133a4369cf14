/** Asks the node runtime itself which instances it has: the API's list is a moment old. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connectChannel } from "#host/channel-socket.ts";
import type { Place } from "./mesh-process.ts";

/** The node runtime's table. */
export interface NodeInstances {
  /** The namespace of each instance that has a process. */
  namespaces(): Promise<readonly string[]>;
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
    close: () => channel.close(),
  };
}
