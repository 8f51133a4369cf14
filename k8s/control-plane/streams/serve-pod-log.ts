/** `pods/log`: a container's text from the node, or an instance's from the node runtime, as it comes. */
import type { ByteStream } from "#host/byte-stream.ts";
import { errorText, meshErrorCode } from "#host/mesh-error.ts";
import { badRequest, internal, invalid } from "../../api/refusal.ts";
import type { SubresourceRequest } from "../../api/subresource.ts";
import { askNode, type NodeStream } from "./ask-node.ts";
import { chooseContainer, missingLog } from "./choose-container.ts";
import { readInstanceLog } from "./instance-log.ts";
import { type LogQuery, readLogQuery } from "./log-query.ts";
import { type PodView, viewPod } from "./pod-view.ts";
import type { StreamParts } from "./stream-parts.ts";

/** Answers. @throws KubeError with the reason */
export async function servePodLog(parts: StreamParts, asked: SubresourceRequest): Promise<Response> {
  const pod = viewPod(asked.object);
  const query = readLogQuery(asked.url.searchParams, parts.nowMs());
  if (!query.ok) {
    if (query.error.kind === "unreadable") throw badRequest(query.error.message);
    throw invalid({ group: "", kind: "PodLogOptions" }, pod.name, query.error.faults);
  }
  const container = chooseContainer(pod, query.value.container);
  if (!container.ok) throw badRequest(container.error);
  const { signal } = asked.request;
  if (pod.instance !== undefined) return textResponse(instanceText(parts, pod, query.value, signal));
  if (pod.nodeName === "") return new Response(null, { status: 204 });
  const missing = missingLog(pod, container.value.name, query.value.previous);
  if (missing !== undefined) throw badRequest(missing);
  return textResponse(textOf(await ask(parts, pod, { ...query.value, container: container.value.name })));
}

function textResponse(body: ReadableStream<Uint8Array>): Response {
  return new Response(body, { headers: { "content-type": "text/plain" } });
}

async function ask(parts: StreamParts, pod: PodView, query: LogQuery): Promise<NodeStream> {
  const { tailLines, sinceTimeMs, limitBytes, ...rest } = query;
  try {
    return await askNode(parts.node, {
      kind: "logs",
      podUid: pod.uid,
      ...rest,
      ...(tailLines === undefined ? {} : { tailLines }),
      ...(sinceTimeMs === undefined ? {} : { sinceTimeMs: Math.max(0, Math.floor(sinceTimeMs)) }),
      ...(limitBytes === undefined ? {} : { limitBytes }),
    });
  } catch (error) {
    const code = meshErrorCode(error);
    if (code === "not-found" || code === "bad-input") throw badRequest(errorText(error));
    throw internal(`cannot read the log from the node: ${errorText(error)}`);
  }
}

/** The node's bytes at the reader's pace; they are whole when the node ends in order. */
function textOf({ stream, rest }: NodeStream): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      if (rest.length > 0) controller.enqueue(rest);
      stream.handle(logHandler(stream, controller));
    },
    pull: () => stream.resume(),
    cancel: () => stream.reset(),
  });
}

function logHandler(
  stream: ByteStream,
  controller: ReadableStreamDefaultController<Uint8Array>,
): Parameters<ByteStream["handle"]>[0] {
  let isOver = false;
  return {
    onData(bytes) {
      controller.enqueue(new Uint8Array(bytes));
      if ((controller.desiredSize ?? 0) <= 0) stream.pause();
    },
    onDrain() {},
    onEnd() {
      isOver = true;
      controller.close();
      stream.end();
    },
    onClose() {
      if (!isOver) controller.error(new Error("the node broke off"));
    },
  };
}

/** Of a generator that is asked only when more is wanted. */
function instanceText(
  parts: StreamParts,
  pod: PodView,
  query: LogQuery,
  signal: AbortSignal,
): ReadableStream<Uint8Array> {
  const { namespace } = pod;
  const place = {
    namespace,
    function: pod.instance?.function ?? "",
    instance: pod.instance?.id ?? "",
  };
  const pieces = readInstanceLog(parts.instances, place, query, signal);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await pieces.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => void pieces.return(),
    },
    { highWaterMark: 0 },
  );
}
