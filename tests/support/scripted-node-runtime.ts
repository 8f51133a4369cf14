/** The node runtime as the control plane sees it on `node.sock`, played by a test: its answers are what the test sets. */
import { join } from "node:path";
import { type ChannelServer, serveChannels } from "#host/channel-socket.ts";
import { MeshError } from "#host/mesh-error.ts";

/** Answers, which a test may change at any time. */
export interface NodeAnswers {
  /** By revision `<namespace>/<name>`; what is not here loads. */
  readonly refused: Map<string, string>;
  instances: readonly object[];
  /** Instances that ended. */
  ended: readonly object[];
  logs: { readonly lines: readonly object[]; readonly cursor: string };
}

/** A node runtime that serves. */
export interface ScriptedNodeRuntime extends Disposable {
  readonly answers: NodeAnswers;
  /** Revisions that were checked, in order. */
  readonly checked: string[];
  /** Queries for logs, in order. */
  readonly logQueries: unknown[];
}

/** Serves `node.sock` below a run directory. */
export function scriptNodeRuntime(runDir: string): ScriptedNodeRuntime {
  const answers: NodeAnswers = {
    refused: new Map(),
    instances: [],
    ended: [],
    logs: { lines: [], cursor: "0" },
  };
  const checked: string[] = [];
  const logQueries: unknown[] = [];
  const answer = (method: string, params: unknown): unknown => {
    switch (method) {
      case "hello":
        return {};
      case "instances":
        return { instances: answers.instances, ended: answers.ended };
      case "schedules":
        return { schedules: [] };
      case "logs":
        logQueries.push(params);
        return answers.logs;
      case "check": {
        const { revision } = params as { revision: { namespace: string; name: string } };
        const uid = `${revision.namespace}/${revision.name}`;
        checked.push(uid);
        const reason = answers.refused.get(uid) ?? answers.refused.get("*");
        return reason === undefined ? { loaded: true, handlers: ["fetch"] } : { loaded: false, reason };
      }
      default:
        throw new MeshError("not-found", `Cannot answer ${method}: the script has no such method`);
    }
  };
  const channels = new Set<{ close(): void }>();
  const server: ChannelServer = serveChannels(join(runDir, "node.sock"), (channel) => {
    channels.add(channel);
    return { onRequest: answer, onNotify() {}, onClose: () => void channels.delete(channel) };
  });
  return {
    answers,
    checked,
    logQueries,
    [Symbol.dispose]() {
      server.close();
      for (const channel of channels) channel.close();
    },
  };
}
