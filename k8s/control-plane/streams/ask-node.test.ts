import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ByteStream } from "#host/byte-stream.ts";
import { listenUnixStreams } from "#host/tunnel/unix-stream.ts";
import { askNode } from "./ask-node.ts";

const folder = mkdtempSync(join(tmpdir(), "lambient-ask-node-"));
const place = { socketPath: join(folder, "node.sock"), tokenPath: join(folder, "token") };
writeFileSync(place.tokenPath, "secret\n");
afterAll(() => rmSync(folder, { recursive: true }));

const request = { kind: "port-forward", podUid: "u", port: 80 } as const;

/** A node that answers its first bytes so. */
async function withNode<Value>(
  answer: (stream: ByteStream, line: string) => void,
  action: () => Promise<Value>,
): Promise<Value> {
  const listener = listenUnixStreams(place.socketPath, (stream) => {
    stream.handle({
      onData: (bytes) => answer(stream, Buffer.from(bytes).toString()),
      onDrain() {},
      onEnd: () => stream.end(),
      onClose() {},
    });
    stream.resume();
  });
  try {
    return await action();
  } finally {
    listener.close();
  }
}

test("askNode() sends the token and the request, and gives the stream with what came behind the answer", async () => {
  const asked: string[] = [];
  const answer = (stream: ByteStream, line: string): void => {
    asked.push(line);
    stream.write(Buffer.from("{}\nrest"));
  };
  await withNode(answer, async () => {
    const { stream, rest } = await askNode(place, request);
    expect(Buffer.from(rest).toString()).toBe("rest");
    expect(asked).toEqual([`${JSON.stringify({ token: "secret", ...request })}\n`]);
    stream.reset();
  });
});

const refusals: [string, (stream: ByteStream) => void, string, string][] = [
  [
    "what the node refuses",
    (stream) => stream.write(Buffer.from('{"error":{"code":"not-found","message":"no Pod"}}\n')),
    "not-found",
    "no Pod",
  ],
  [
    "a code that is not known",
    (stream) => stream.write(Buffer.from('{"error":{"code":"odd"}}\n')),
    "unavailable",
    "Cannot have it from the node",
  ],
  [
    "nonsense",
    (stream) => stream.write(Buffer.from("nonsense\n")),
    "protocol-violation",
    "Cannot read the node's answer as JSON",
  ],
  [
    "too much",
    (stream) => stream.write(Buffer.alloc(70 << 10, "x")),
    "unavailable",
    "Cannot have a stream from the node: its answer is too long",
  ],
  [
    "an end",
    (stream) => stream.end(),
    "unavailable",
    "Cannot have a stream from the node: it closed the connection",
  ],
  [
    "a break",
    (stream) => stream.reset(),
    "unavailable",
    "Cannot have a stream from the node: it closed the connection",
  ],
];
test.each(refusals)("askNode() tells of %s", async (_, answer, code, message) => {
  const thrown = await withNode(answer, () => askNode(place, request).catch((error: unknown) => error));
  expect(thrown).toMatchObject({ code, message });
});

test("askNode() tells when nobody is there", async () => {
  const thrown = await askNode(place, request).catch((error: unknown) => error);
  expect(thrown).toMatchObject({
    code: "unavailable",
    message: expect.stringContaining(`Cannot connect to "${place.socketPath}"`),
  });
});
