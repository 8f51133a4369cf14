/** `pods/portforward`: a client that has switched to SPDY, or to SPDY within WebSocket, joined with ports of the Pod. */
import { errorText, MeshError } from "#host/mesh-error.ts";
import type { SubresourceRequest } from "../../api/subresource.ts";
import { askNode } from "./ask-node.ts";
import { forwardPorts } from "./forward-ports.ts";
import { readAsked } from "./negotiate.ts";
import { viewPod } from "./pod-view.ts";
import {
  mustBeAllowedToCreate,
  mustBePods,
  mustHaveNode,
  nodeRefusal,
  type StreamParts,
} from "./stream-parts.ts";
import { switchProtocol } from "./switch-protocol.ts";
import { WebSocketTunnel } from "./websocket-tunnel.ts";

const spoken = {
  spdy: ["portforward.k8s.io"],
  websocket: ["SPDY/3.1+portforward.k8s.io"],
} as const;

/** Answers. @throws KubeError with the reason */
export async function servePodPorts(parts: StreamParts, asked: SubresourceRequest): Promise<Response> {
  mustBeAllowedToCreate(asked, "portforward");
  const pod = viewPod(asked.object);
  mustBePods(pod, "forward ports of");
  mustHaveNode(pod);
  if (pod.phase !== "Running")
    return nodeRefusal(
      new MeshError("unavailable", `pod not found (${JSON.stringify(`${pod.name}_${pod.namespace}`)})`),
    );
  return switchProtocol(readAsked(asked.request.headers), spoken, ({ stream, rest }, { kind }) => {
    const connection =
      kind === "spdy"
        ? { stream, rest }
        : { stream: new WebSocketTunnel(stream, rest), rest: new Uint8Array(0) };
    forwardPorts(connection, {
      pod: `${pod.name}, uid ${pod.uid}`,
      connect: (port) => askNode(parts.node, { kind: "port-forward", podUid: pod.uid, port }),
    }).catch((error: unknown) => {
      parts.onFault("a port's forwarding failed", errorText(error));
      stream.reset();
    });
  });
}
