/** `kubelet.sock` asked by hand: who may ask, what is refused, what a connection that does not keep to the form gets. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SignJWT } from "jose";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { openPoller, type Poller } from "#host/linux/poller.ts";
import { silentLog } from "#host/log.ts";
import { connectUnixStream } from "#host/tunnel/unix-stream.ts";
import { scriptedContainers } from "../../../tests/support/scripted-containers.ts";
import { waitUntil } from "../../../tests/support/wait-until.ts";
import type { ContainerLogLine } from "../kubelet/container-access.ts";
import { makeApiTokenTest } from "./api-token.ts";
import { serveStreams, type StreamServer } from "./serve-streams.ts";
import { channel, encodeMessage, encodeStreamHead } from "./stream-frames.ts";

const folder = mkdtempSync(join(tmpdir(), "lambient-kubelet-sock-"));
const socketPath = join(folder, "kubelet.sock");
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
let libc: Libc;
let poller: Poller;
let server: StreamServer;

function tokenOf(program: string): Promise<string> {
  return new SignJWT({})
    .setProtectedHeader({ alg: "ES256" })
    .setSubject(`system:lambient:${program}`)
    .setAudience("lambient")
    .sign(privateKey);
}

beforeAll(async () => {
  libc = openLibc();
  poller = await openPoller(libc);
  writeFileSync(join(folder, "token-key.pem"), publicKey.export({ type: "spki", format: "pem" }));
  const access = scriptedContainers({
    uid: "u",
    commands: {
      wait: async ({ letGo }) => {
        await letGo;
        return 0;
      },
      fail: async () => {
        throw new Error("a bug in the command's script");
      },
    },
    log: [],
    more: silence,
    network: libc.homeNamespace,
  });
  const isApi = makeApiTokenTest(join(folder, "token-key.pem"));
  server = serveStreams({ socketPath, access, isApi, libc, poller, log: silentLog });
});

afterAll(() => {
  server.close();
  poller.close();
  closeLibc(libc);
  rmSync(folder, { recursive: true });
});

async function* silence(): AsyncGenerator<ContainerLogLine> {
  await new Promise(() => {});
  yield* [];
}

interface Asking {
  text(): string;
  readonly isClosed: boolean;
  send(bytes: Uint8Array): void;
  end(): void;
  reset(): void;
}

async function ask(bytes: string | Uint8Array): Promise<Asking> {
  const stream = await connectUnixStream(socketPath);
  let text = "";
  let isClosed = false;
  stream.handle({
    onData: (each) => void (text += Buffer.from(each).toString("latin1")),
    onDrain() {},
    onEnd: () => stream.end(),
    onClose: () => void (isClosed = true),
  });
  stream.resume();
  stream.write(Buffer.from(bytes));
  return {
    text: () => text,
    get isClosed() {
      return isClosed;
    },
    send: (more) => void stream.write(more),
    end: () => stream.end(),
    reset: () => stream.reset(),
  };
}

async function line(request: object, program = "control-plane"): Promise<string> {
  return `${JSON.stringify({ token: await tokenOf(program), ...request })}\n`;
}

const place = { podUid: "u", container: "main" };
const refusals: [string, object, string, string][] = [
  [
    "another program",
    { kind: "logs", ...place, program: "ztunnel" },
    "not-permitted",
    "Cannot serve streams to anyone but the API",
  ],
  [
    "a token that is none",
    { kind: "logs", ...place, token: "x" },
    "not-permitted",
    "Cannot serve streams to anyone but the API",
  ],
  [
    "a kind that is none",
    { kind: "reboot", ...place },
    "bad-input",
    "Cannot read the request as one of logs, exec, attach, port-forward",
  ],
  ["no Pod", { kind: "logs", container: "a" }, "bad-input", "Cannot read the request as one of"],
  [
    "no container",
    { kind: "exec", podUid: "u", command: ["wait"] },
    "bad-input",
    "Cannot read the request as one of",
  ],
  ["no command", { kind: "exec", ...place, command: [] }, "bad-input", "Cannot read the request as one of"],
  [
    "a command of numbers",
    { kind: "exec", ...place, command: [1] },
    "bad-input",
    "Cannot read the request as one of",
  ],
  [
    "no port",
    { kind: "port-forward", podUid: "u", port: 70_000 },
    "bad-input",
    "Cannot read the request as one of",
  ],
  [
    "another Pod's log",
    { kind: "logs", podUid: "x", container: "main" },
    "not-found",
    "Cannot find the Pod on this node",
  ],
  [
    "another Pod's port",
    { kind: "port-forward", podUid: "x", port: 80 },
    "not-found",
    "Cannot find the Pod on this node",
  ],
  [
    "a command that is not there",
    { kind: "exec", ...place, command: ["none"] },
    "bad-input",
    'exec: "none": not there',
  ],
];
test.each(refusals)("refuses %s", async (_, { program, ...request }: { program?: string }, code, message) => {
  const asking = await ask(await line(request, program));
  await waitUntil("it is closed", () => asking.isClosed);
  expect(JSON.parse(asking.text())).toMatchObject({
    error: { code, message: expect.stringContaining(message) },
  });
});

test.each(["nonsense\n", "[]\n", "null\n"])("refuses %p", async (text) => {
  const asking = await ask(text);
  await waitUntil("it is closed", () => asking.isClosed);
  expect(JSON.parse(asking.text())).toMatchObject({ error: { code: "bad-input" } });
});

test("a connection that ends before its request, or asks without end, is closed", async () => {
  const early = await ask("{");
  early.end();
  await waitUntil("it is closed", () => early.isClosed);
  const long = await ask(Buffer.alloc(200_000, "x"));
  const piece = Buffer.alloc(100_000, "x");
  await waitUntil("it is closed", () => {
    long.send(piece);
    return long.isClosed;
  });
  expect([early.text(), long.text()]).toEqual(["", ""]);
});

test("a log that is silent is answered, and given up with its reader", async () => {
  const asking = await ask(await line({ kind: "logs", ...place, follow: true }));
  await waitUntil("the answer", () => asking.text() === "{}\n");
  asking.reset();
  server.close();
  server = serveStreams({
    socketPath,
    access: scriptedContainers({ uid: "u", commands: waiting, log: [], network: libc.homeNamespace }),
    isApi: makeApiTokenTest(join(folder, "token-key.pem")),
    libc,
    poller,
    log: silentLog,
  });
});

const waiting = {
  wait: async ({ letGo }: { readonly letGo: Promise<void> }): Promise<number> => {
    await letGo;
    return 0;
  },
};

const breaches: [string, Uint8Array][] = [
  ["says what only the node may say", encodeMessage(channel.exit, { kind: "exited", code: 0 })],
  ["sends more than it was granted", encodeStreamHead(channel.input, 1 << 20)],
  ["sends nonsense", Buffer.from([77, 0, 0, 0, 0])],
];
test.each(breaches)("a caller that %s is cut off, and its command ended", async (_, bytes) => {
  const asking = await ask(await line({ kind: "exec", ...place, command: ["wait"], stdin: true }));
  await waitUntil("the answer", () => asking.text() === "{}\n");
  asking.send(bytes);
  const piece = Buffer.alloc(100_000);
  await waitUntil("it is closed", () => {
    if (bytes.length > 0 && bytes[0] === channel.input) asking.send(piece);
    return asking.isClosed;
  });
  await waitUntil("nothing is left", () => server.open === 0);
});
