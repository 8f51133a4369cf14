/** The subresources of Pods that are conversations with their containers, for the API to serve. */
import type { SubresourceHandler, SubresourceRequest } from "../../api/subresource.ts";
import { servePodAttach, servePodExec } from "./serve-pod-command.ts";
import { servePodLog } from "./serve-pod-log.ts";
import { servePodPorts } from "./serve-pod-ports.ts";
import type { StreamParts } from "./stream-parts.ts";

/** `log`, `exec`, `attach` and `portforward`. */
export function podSubresources(parts: StreamParts): readonly SubresourceHandler[] {
  type Serve = (parts: StreamParts, asked: SubresourceRequest) => Promise<Response>;
  const conversation = (subresource: string, kind: string, serve: Serve): SubresourceHandler => ({
    group: "",
    resource: "pods",
    subresource,
    verbs: ["create", "get"],
    kind: { group: "", version: "v1", kind },
    handle: (asked) => serve(parts, asked),
  });
  return [
    {
      group: "",
      resource: "pods",
      subresource: "log",
      verbs: ["get"],
      kind: { group: "", version: "v1", kind: "Pod" },
      handle: (asked) => servePodLog(parts, asked),
    },
    conversation("exec", "PodExecOptions", servePodExec),
    conversation("attach", "PodAttachOptions", servePodAttach),
    conversation("portforward", "PodPortForwardOptions", servePodPorts),
  ];
}
