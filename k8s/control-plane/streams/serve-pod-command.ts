/** `pods/exec` and `pods/attach`: a client that has switched to SPDY or WebSocket, joined with a command on the node. */
import { errorText, MeshError } from "#host/mesh-error.ts";
import { badRequest } from "../../api/refusal.ts";
import { isTrue } from "../../api/request-path.ts";
import type { SubresourceRequest } from "../../api/subresource.ts";
import type { StreamRequest } from "../../node/streams/stream-request.ts";
import { askNode } from "./ask-node.ts";
import { type ChannelForm, openChannelClient } from "./channel-client.ts";
import { chooseContainer, isRunning } from "./choose-container.ts";
import type { CommandClient, CommandStreams } from "./command-client.ts";
import type { EndForm } from "./command-status.ts";
import { readAsked } from "./negotiate.ts";
import { type ContainerView, type PodView, viewPod } from "./pod-view.ts";
import { runCommand } from "./run-command.ts";
import { openSpdyClient } from "./spdy-client.ts";
import {
  mustBeAllowedToCreate,
  mustBePods,
  mustHaveNode,
  nodeRefusal,
  type StreamParts,
} from "./stream-parts.ts";
import { type Chosen, type Connection, switchProtocol } from "./switch-protocol.ts";

const spdyVersions = [
  "v5.channel.k8s.io",
  "v4.channel.k8s.io",
  "v3.channel.k8s.io",
  "v2.channel.k8s.io",
  "channel.k8s.io",
  "",
] as const;
const subprotocols = [
  "v5.channel.k8s.io",
  "v4.channel.k8s.io",
  "v4.base64.channel.k8s.io",
  "channel.k8s.io",
  "base64.channel.k8s.io",
  "",
] as const;
type SpdyVersion = (typeof spdyVersions)[number];
type Subprotocol = (typeof subprotocols)[number];

/** Answers for `pods/exec`. @throws KubeError with the reason */
export async function servePodExec(parts: StreamParts, asked: SubresourceRequest): Promise<Response> {
  mustBeAllowedToCreate(asked, "exec");
  const pod = viewPod(asked.object);
  mustBePods(pod, "exec into");
  const container = findContainer(pod, asked.url);
  const command = asked.url.searchParams.getAll("command");
  if (command.length === 0) throw badRequest("you must specify at least one command for the container");
  const streams = readStreams(asked.url.searchParams);
  const { tty, stdin } = streams;
  const request = { kind: "exec", podUid: pod.uid, container: container.name, command, tty, stdin } as const;
  return serveCommand(parts, asked, { pod, container, streams, request });
}

/** Answers for `pods/attach`. @throws KubeError with the reason */
export async function servePodAttach(parts: StreamParts, asked: SubresourceRequest): Promise<Response> {
  mustBeAllowedToCreate(asked, "attach");
  const pod = viewPod(asked.object);
  mustBePods(pod, "attach to");
  const container = findContainer(pod, asked.url);
  const streams = readStreams(asked.url.searchParams);
  const request = {
    kind: "attach",
    podUid: pod.uid,
    container: container.name,
    stdin: streams.stdin && container.stdin,
  } as const;
  return serveCommand(parts, asked, { pod, container, streams, request });
}

function findContainer(pod: PodView, url: URL): ContainerView {
  const container = chooseContainer(pod, url.searchParams.get("container") ?? "");
  if (!container.ok) throw badRequest(container.error);
  mustHaveNode(pod);
  return container.value;
}

function readStreams(params: URLSearchParams): CommandStreams {
  const isSet = (name: string): boolean => isTrue(params.get(name));
  const streams = {
    stdin: isSet("stdin"),
    stdout: isSet("stdout"),
    stderr: isSet("stderr"),
    tty: isSet("tty"),
  };
  if (!streams.stdin && !streams.stdout && !streams.stderr)
    throw badRequest("you must specify at least 1 of stdin, stdout, stderr");
  return streams;
}

interface Wanted {
  readonly pod: PodView;
  readonly container: ContainerView;
  readonly streams: CommandStreams;
  readonly request: StreamRequest;
}

function serveCommand(parts: StreamParts, asked: SubresourceRequest, wanted: Wanted): Response {
  const { pod, container, streams, request } = wanted;
  if (!isRunning(pod, container.name))
    return nodeRefusal(
      new MeshError("unavailable", `container not found (${JSON.stringify(container.name)})`),
    );
  const spoken = { spdy: spdyVersions, websocket: subprotocols };
  return switchProtocol(readAsked(asked.request.headers), spoken, (connection, chosen) => {
    const client = openClient(connection, chosen, streams);
    runCommand(client, () => askNode(parts.node, request)).catch((error: unknown) => {
      parts.onFault("a command's streams failed", errorText(error));
      connection.stream.reset();
    });
  });
}

function openClient(
  connection: Connection,
  chosen: Chosen<SpdyVersion, Subprotocol>,
  streams: CommandStreams,
): CommandClient {
  if (chosen.kind === "spdy") return openSpdyClient(connection, streams, endFormOf(chosen.version));
  const form: ChannelForm = {
    isBase64: chosen.version.includes("base64"),
    endForm: endFormOf(chosen.version),
    hasClose: chosen.version === "v5.channel.k8s.io",
  };
  return openChannelClient(connection, streams, form);
}

function endFormOf(version: string): EndForm {
  return version.startsWith("v4.") || version.startsWith("v5.") ? "status" : "text";
}
