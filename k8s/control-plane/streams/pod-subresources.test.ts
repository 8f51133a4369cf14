/** The streams of Pods over every protocol that clients speak, from the port of the API to a node whose containers are scripted. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "#host/clock.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { openPoller, type Poller } from "#host/linux/poller.ts";
import { silentLog } from "#host/log.ts";
import {
  type CommandScript,
  scriptedContainers,
  type ScriptedContainers,
} from "../../../tests/support/scripted-containers.ts";
import { connectSpdy, type SpdyPeer } from "../../../tests/support/spdy-peer.ts";
import { waitUntil } from "../../../tests/support/wait-until.ts";
import type { Api, User } from "../../api/api.ts";
import { openApi } from "../../api/open-api.ts";
import type { ContainerLogLine } from "../../node/kubelet/container-access.ts";
import { serveStreams, type StreamServer } from "../../node/streams/serve-streams.ts";
import { openRoot } from "../authority/open-root.ts";
import { issueServerCertificate } from "../authority/server-certificate.ts";
import { type HttpServer, serveHttp } from "../http/serve-http.ts";
import { podSubresources } from "./pod-subresources.ts";

const folder = mkdtempSync(join(tmpdir(), "lambient-pod-streams-"));
const faults: unknown[] = [];
let libc: Libc;
let poller: Poller;
let api: Api;
let port: HttpServer;
let node: StreamServer;
let containers: ReturnType<typeof scriptedContainers>;

/** Pieces that were taken of the flood under way. */
let flooded = 0;

const commands: Record<string, CommandScript> = {
  echo: async ({ input, write }) => {
    for (let read = await input.read(); !read.done; read = await input.read()) await write(read.value);
    await write("|end");
    return 0;
  },
  both: async ({ write, complain }) => {
    await write("out");
    await complain("err");
    return 3;
  },
  size: async ({ size, write }) => {
    const { columns, rows } = await size();
    await write(`${columns}x${rows}`);
    return 0;
  },
  flood: async ({ write, args: [count = "1"] }) => {
    const piece = new Uint8Array(1 << 16).fill(0x61);
    flooded = 0;
    for (let i = 0; i < Number(count); i++) {
      await write(piece);
      flooded++;
    }
    return 0;
  },
  wait: async ({ letGo }) => {
    await letGo;
    return 1;
  },
  killed: async () => -15,
  main: async ({ input, write }) => {
    const { value } = await input.read();
    await write(`heard ${Buffer.from(value ?? []).toString()}`);
    return 0;
  },
};

const log: ContainerLogLine[] = [
  { time: "2026-01-01T00:00:00.000000001Z", stream: "stdout", text: "one", isWhole: true },
  { time: "2026-01-01T00:00:01.000000000Z", stream: "stderr", text: "tw", isWhole: false },
  { time: "2026-01-01T00:00:01.000000000Z", stream: "stderr", text: "o", isWhole: true },
  { time: "2026-01-01T00:00:02.000000000Z", stream: "stdout", text: "three", isWhole: true },
];

const instanceLines = ["a", "b", "c", "d"].map((text, i) => ({
  atMs: Date.UTC(2026, 0, 1) + i,
  instance: i === 1 ? "other" : "instance-1",
  stream: "stdout",
  text,
}));

const podResource = { group: "", version: "v1", resource: "pods", kind: "Pod", namespaced: true } as const;
const running = { running: { startedAt: "2026-01-01T00:00:00Z" } };

async function makePods(): Promise<string> {
  const container = { image: "x" };
  const made = await api.client.create(podResource, {
    metadata: { name: "talker", namespace: "default" },
    spec: {
      nodeName: "node-0",
      containers: [
        { name: "main", stdin: true, ...container },
        { name: "idle", ...container },
        { name: "screen", tty: true, stdin: true, ...container },
      ],
    },
  } as never);
  await api.client.create(podResource, {
    metadata: { name: "homeless", namespace: "default" },
    spec: { containers: [{ name: "main", ...container }] },
  } as never);
  await api.client.create(podResource, {
    metadata: {
      name: "instance",
      namespace: "default",
      labels: { "lambient.dev/function": "cart" },
      annotations: { "lambient.dev/instance": "instance-1" },
    },
    spec: { nodeName: "node-0", containers: [{ name: "function", ...container }] },
  } as never);
  const shared = { ready: true, restartCount: 0, image: "x", imageID: "x" };
  const status = {
    phase: "Running",
    containerStatuses: [
      { name: "main", state: running, containerID: "x://1", ...shared },
      { name: "idle", state: { waiting: { reason: "ImagePullBackOff" } }, ...shared },
      { name: "screen", state: running, containerID: "x://2", ...shared },
    ],
  };
  await ask("PATCH", "talker/status", JSON.stringify({ status }), "admin");
  return (made as unknown as { metadata: { uid: string } }).metadata.uid;
}

beforeAll(async () => {
  libc = openLibc();
  poller = await openPoller(libc);
  mkdirSync(join(folder, "tokens"));
  writeFileSync(join(folder, "tokens/control-plane"), "the-api\n");
  const socketPath = join(folder, "kubelet.sock");
  api = openApi({
    dataFile: ":memory:",
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    subresources: podSubresources({
      node: { socketPath, tokenPath: join(folder, "tokens/control-plane") },
      instances: { ask: askInstances, isAlive: () => false },
      nowMs: () => Date.UTC(2026, 0, 1, 0, 0, 3),
      onFault: (what, error) => void faults.push([what, error]),
    }),
  });
  const certificate = issueServerCertificate(openRoot(folder, "cluster.local", Date.now()), Date.now());
  port = serveHttp({
    port: 0,
    ...certificate,
    bodyBytesMax: 1 << 20,
    handle: (request) => api.handle(request, userOf(request)),
    clock: systemClock,
    watchLeft: (fd, onLeft) => poller.watch(fd, "left", onLeft),
  });
  const uid = await makePods();
  const given: ScriptedContainers = {
    uid,
    commands,
    log,
    async *more() {
      yield { time: "2026-01-01T00:00:03.000000000Z", stream: "stdout", text: "four", isWhole: true };
    },
    network: libc.homeNamespace,
  };
  containers = scriptedContainers(given);
  node = serveStreams({ socketPath, access: containers, isApi, libc, poller, log: silentLog });
});

afterAll(() => {
  node.close();
  port.close();
  api.close();
  poller.close();
  closeLibc(libc);
  rmSync(folder, { recursive: true });
  expect(faults).toEqual([]);
});

async function isApi(token: string): Promise<boolean> {
  return token === "the-api";
}

/** Pages of two lines, by the function. */
async function askInstances(method: string, params: object): Promise<unknown> {
  expect(method).toBe("logs");
  expect(params).toMatchObject({ namespace: "default", function: "cart" });
  const from = "cursor" in params ? Number(params.cursor) : 0;
  return { lines: instanceLines.slice(from, from + 2), cursor: String(Math.min(from + 2, 4)) };
}

function userOf(request: Request): User {
  const name = request.headers.get("x-user") ?? "admin";
  return { name, groups: name === "admin" ? ["system:masters"] : [] };
}

function ask(method: string, path: string, body?: string, user = "admin"): Promise<Response> {
  return fetch(`https://127.0.0.1:${port.port}/api/v1/namespaces/default/pods/${path}`, {
    method,
    headers: { "x-user": user, "content-type": "application/merge-patch+json" },
    ...(body === undefined ? {} : { body }),
    tls: { rejectUnauthorized: false },
    keepalive: false,
  });
}

const logs: [string, string, string][] = [
  ["all of it", "", "one\ntwo\nthree\n"],
  ["the last", "&tailLines=1", "three\n"],
  ["none", "&tailLines=0", ""],
  [
    "with times, once a line",
    "&timestamps=true&tailLines=3",
    "2026-01-01T00:00:01.000000000Z two\n2026-01-01T00:00:02.000000000Z three\n",
  ],
  ["some bytes", "&limitBytes=6", "one\ntw"],
  ["what comes too", "&follow=true", "one\ntwo\nthree\nfour\n"],
];
test.each(logs)("log: %s", async (_, query, wanted) => {
  const response = await ask("GET", `talker/log?container=main${query}`);
  expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([
    200,
    "text/plain",
    wanted,
  ]);
});

const instanceLogs: [string, string, string][] = [
  ["its own lines only", "", "a\nc\nd\n"],
  ["the last", "?tailLines=2", "c\nd\n"],
  ["none", "?tailLines=0", ""],
  ["to its end", "?follow=true&timestamps=true&tailLines=1", "2026-01-01T00:00:00.003000000Z d\n"],
];
test.each(instanceLogs)("log of a function's instance: %s", async (_, query, wanted) => {
  expect(await (await ask("GET", `instance/log${query}`)).text()).toBe(wanted);
});

const refusals: [string, string, number, string][] = [
  [
    "GET",
    "talker/log",
    400,
    "a container name must be specified for pod talker, choose one of: [main idle screen]",
  ],
  ["GET", "talker/log?container=none", 400, "container none is not valid for pod talker"],
  [
    "GET",
    "talker/log?container=idle",
    400,
    'container "idle" in pod "talker" is waiting to start: trying and failing to pull image',
  ],
  [
    "GET",
    "talker/log?container=main&previous=true",
    400,
    'previous terminated container "main" in pod "talker" not found',
  ],
  ["GET", "talker/log?container=main&tailLines=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'],
  [
    "GET",
    "talker/log?container=main&sinceSeconds=0",
    422,
    'PodLogOptions "talker" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0',
  ],
  ["POST", "talker/exec?container=main&command=echo&stdout=1", 400, "Upgrade request required"],
  [
    "POST",
    "talker/exec?container=main&command=echo",
    400,
    "you must specify at least 1 of stdin, stdout, stderr",
  ],
  [
    "POST",
    "talker/exec?container=main&stdout=1",
    400,
    "you must specify at least one command for the container",
  ],
  ["POST", "homeless/exec?command=echo&stdout=1", 400, "pod homeless does not have a host assigned"],
  ["POST", "homeless/portforward", 400, "pod homeless does not have a host assigned"],
  [
    "POST",
    "instance/exec?command=sh&stdout=1",
    400,
    "cannot exec into pod instance: it shows an instance of the function cart, whose sandbox nothing can enter; its logs can be read",
  ],
  ["POST", "nobody/exec?command=sh&stdout=1", 404, 'pods "nobody" not found'],
];
test.each(refusals)("refuses %s %s with %d", async (method, path, code, message) => {
  const response = await ask(method, path);
  expect([response.status, await response.json()]).toEqual([
    code,
    expect.objectContaining({ message, code }),
  ]);
});

test("a Pod that no node has has an empty log", async () => {
  const response = await ask("GET", "homeless/log");
  expect([response.status, await response.text()]).toEqual([204, ""]);
});

test("a container that does not run is refused as kubelet does", async () => {
  const response = await ask("POST", "talker/exec?container=idle&command=sh&stdout=1");
  expect([response.status, await response.text()]).toEqual([500, 'container not found ("idle")']);
});

test("who may get but not create has no conversation", async () => {
  const role = { group: "rbac.authorization.k8s.io", version: "v1", namespaced: true } as const;
  await api.client.create({ ...role, resource: "roles", kind: "Role" }, {
    metadata: { name: "reader", namespace: "default" },
    rules: [{ apiGroups: [""], resources: ["pods/exec", "pods/log"], verbs: ["get"] }],
  } as never);
  await api.client.create({ ...role, resource: "rolebindings", kind: "RoleBinding" }, {
    metadata: { name: "reader", namespace: "default" },
    subjects: [{ kind: "User", name: "reader", apiGroup: "rbac.authorization.k8s.io" }],
    roleRef: { kind: "Role", name: "reader", apiGroup: "rbac.authorization.k8s.io" },
  } as never);
  expect((await ask("GET", "talker/log?container=main", undefined, "reader")).status).toBe(200);
  const refused = await ask("GET", "talker/exec?container=main&command=echo&stdout=1", undefined, "reader");
  expect(refused.status).toBe(403);
  expect(await refused.text()).toContain('cannot create resource \\"pods/exec\\" in API group');
  expect((await ask("POST", "talker/attach?container=main&stdout=1", undefined, "reader")).status).toBe(403);
});

/** The streams of a command over SPDY, by their names. */
async function execSpdy(
  query: string,
  versions: string,
  names: readonly string[],
): Promise<{ peer: SpdyPeer; ids: Record<string, number> }> {
  const headers: HeaderField[] = [
    ["connection", "Upgrade"],
    ["upgrade", "SPDY/3.1"],
  ];
  for (const version of versions.split(" ").filter((each) => each !== ""))
    headers.push(["x-stream-protocol-version", version]);
  const peer = await connectSpdy(port.port, `/api/v1/namespaces/default/pods/talker/${query}`, headers);
  const ids = Object.fromEntries(names.map((name) => [name, peer.open({ streamtype: name })]));
  return { peer, ids };
}

const failure = (code: number): object => ({
  metadata: {},
  status: "Failure",
  message: `command terminated with non-zero exit code: exit status ${code}`,
  reason: "NonZeroExitCode",
  details: { causes: [{ reason: "ExitCode", message: String(code) }] },
});

test("SPDY: a command's streams, its code, and the end of the connection", async () => {
  const { peer, ids } = await execSpdy(
    "exec?container=main&command=both&stdout=1&stderr=1",
    "v9.channel.k8s.io v4.channel.k8s.io",
    ["error", "stdout", "stderr"],
  );
  using _ = peer;
  await waitUntil("it closes", () => peer.isClosed);
  expect(peer.head).toMatch(
    /^HTTP\/1\.1 101 .*\r\n(.*\r\n)*x-stream-protocol-version: v4\.channel\.k8s\.io\r\n/,
  );
  expect([peer.text(ids["stdout"] ?? 0), peer.text(ids["stderr"] ?? 0)]).toEqual(["out", "err"]);
  expect(JSON.parse(peer.text(ids["error"] ?? 0))).toEqual(failure(3));
  expect(peer.said.map(({ kind }) => kind)).toEqual(["syn-reply", "syn-reply", "syn-reply", "go-away"]);
});

test("SPDY: input, its end, pings, and a stream that nobody asked for", async () => {
  const { peer, ids } = await execSpdy(
    "exec?container=main&command=echo&stdin=1&stdout=1",
    "v4.channel.k8s.io",
    ["error", "stdin", "stdout"],
  );
  using _ = peer;
  const odd = peer.open({ streamtype: "nonsense" });
  peer.ping(1);
  peer.ping(2);
  peer.send(ids["stdin"] ?? 0, "hello ");
  peer.send(ids["stdin"] ?? 0, "there", true);
  await waitUntil("it ends", () => peer.hasEnded(ids["error"] ?? 0));
  expect(peer.text(ids["stdout"] ?? 0)).toBe("hello there|end");
  expect(JSON.parse(peer.text(ids["error"] ?? 0))).toEqual({ metadata: {}, status: "Success" });
  expect(peer.said).toContainEqual({ kind: "reset", streamId: odd, status: 3 });
  expect(peer.said.filter(({ kind }) => kind === "ping")).toEqual([{ kind: "ping", id: 1 }]);
});

test("SPDY: a terminal's size, and everything as one stream", async () => {
  const { peer, ids } = await execSpdy(
    "exec?container=main&command=size&stdout=1&stderr=1&tty=1",
    "v5.channel.k8s.io",
    ["error", "stdout", "resize"],
  );
  using _ = peer;
  peer.send(ids["resize"] ?? 0, "nonsense\n");
  peer.send(ids["resize"] ?? 0, '{"Width":91,"Height":17}\n');
  await waitUntil("it ends", () => peer.hasEnded(ids["error"] ?? 0));
  expect(peer.text(ids["stdout"] ?? 0)).toBe("91x17");
});

test.each(["channel.k8s.io", "v3.channel.k8s.io", ""])(
  "SPDY: before version 4 a failure is text, and success is silence: %p",
  async (version) => {
    for (const [command, text] of [
      ["both", "command terminated with non-zero exit code: exit status 3"],
      ["size", ""],
    ] as const) {
      const names = command === "size" ? ["error", "stdout", "resize"] : ["error", "stdout", "stderr"];
      const query = `exec?container=main&command=${command}&stdout=1&stderr=1${command === "size" ? "&tty=1" : ""}`;
      const { peer, ids } = await execSpdy(query, version, names);
      using _ = peer;
      if (command === "size") peer.send(ids["resize"] ?? 0, '{"Width":1,"Height":1}\n');
      await waitUntil("it ends", () => peer.hasEnded(ids["error"] ?? 0));
      expect(peer.text(ids["error"] ?? 0)).toBe(text);
    }
  },
);

test("SPDY: no common version is told with those that are spoken", async () => {
  const { peer } = await execSpdy("exec?container=main&command=echo&stdout=1", "v9.channel.k8s.io", []);
  using _ = peer;
  await waitUntil("the text", () => peer.head.includes("unable to negotiate"));
  expect(peer.head).toMatch(/^HTTP\/1\.1 403 /);
  expect(peer.head).toContain("x-accepted-stream-protocol-versions: v5.channel.k8s.io, v4.channel.k8s.io");
});

test("SPDY: what cannot be started is told as a failure", async () => {
  const { peer, ids } = await execSpdy("exec?container=main&command=nothing&stdout=1", "v4.channel.k8s.io", [
    "error",
    "stdout",
  ]);
  using _ = peer;
  await waitUntil("it ends", () => peer.hasEnded(ids["error"] ?? 0));
  expect(JSON.parse(peer.text(ids["error"] ?? 0))).toMatchObject({
    status: "Failure",
    message: 'Internal error occurred: error executing command in container: exec: "nothing": not there',
  });
});

test("SPDY: a client that leaves, or breaks the protocol, ends its command", async () => {
  const leave = [
    (peer: SpdyPeer) => peer.close(),
    (peer: SpdyPeer) => peer.raw(Buffer.from("8009000100000000", "hex")),
  ];
  for (const how of leave) {
    const { peer } = await execSpdy("exec?container=main&command=wait&stdout=1", "v4.channel.k8s.io", [
      "error",
      "stdout",
    ]);
    using _ = peer;
    await waitUntil("it runs", () => containers.running.has("wait"));
    how(peer);
    await waitUntil("it is let go", () => !containers.running.has("wait") && node.open === 0);
  }
});

test("SPDY: a client that does not read holds its command up", async () => {
  const pieces = 800;
  const { peer, ids } = await execSpdy(
    `exec?container=main&command=flood&command=${pieces}&stdout=1`,
    "v4.channel.k8s.io",
    ["error", "stdout"],
  );
  using _ = peer;
  await waitUntil("it runs", () => peer.bytes(ids["stdout"] ?? 0) > 0);
  peer.pause();
  await waitUntilStill(() => flooded);
  expect(flooded).toBeLessThan(pieces);
  peer.resume();
  await waitUntil("it ends", () => peer.hasEnded(ids["error"] ?? 0));
  expect(peer.bytes(ids["stdout"] ?? 0)).toBe(pieces << 16);
});

test("SPDY: attach joins the main process", async () => {
  const { peer, ids } = await execSpdy(
    "attach?container=main&stdin=1&stdout=1&stderr=1",
    "v4.channel.k8s.io",
    ["error", "stdin", "stdout", "stderr"],
  );
  using _ = peer;
  peer.send(ids["stdin"] ?? 0, "me");
  await waitUntil("it ends", () => peer.hasEnded(ids["error"] ?? 0));
  expect(peer.text(ids["stdout"] ?? 0)).toBe("heard me");
});

test("SPDY: attach has the streams that the client asks for, whatever the container has", async () => {
  const streams = ["error", "stdout", "stderr"];
  const query = "attach?container=screen&stdout=1&stderr=1";
  const { peer, ids } = await execSpdy(query, "v4.channel.k8s.io", streams);
  using _ = peer;
  await waitUntil("it runs", () => containers.running.has("main"));
  expect(peer.said.map(({ kind }) => kind)).toEqual(["syn-reply", "syn-reply", "syn-reply"]);
  expect(peer.hasEnded(ids["error"] ?? 0)).toBe(false);
});

/** Waits until a number stays the same for a while: what is held up has come to a stop. */
async function waitUntilStill(count: () => number): Promise<void> {
  let [last, times] = [-1, 0];
  await waitUntil("it has come to a stop", () => {
    times = count() === last ? times + 1 : 0;
    last = count();
    return times > 10;
  });
}

interface Heard {
  readonly protocol: string;
  readonly messages: string[];
  readonly code: number;
}

/** Talks over a WebSocket until it is closed. */
function talk(query: string, protocol: string, onOpen: (socket: WebSocket) => void): Promise<Heard> {
  const { promise, resolve } = Promise.withResolvers<Heard>();
  const socket = new WebSocket(
    `wss://127.0.0.1:${port.port}/api/v1/namespaces/default/pods/talker/${query}`,
    {
      ...(protocol === "" ? {} : { protocols: [protocol] }),
      tls: { rejectUnauthorized: false },
    },
  );
  socket.binaryType = "nodebuffer" as never;
  const messages: string[] = [];
  socket.addEventListener("open", () => onOpen(socket));
  socket.addEventListener(
    "message",
    ({ data }) => void messages.push(Buffer.from(data as Buffer).toString("latin1")),
  );
  socket.addEventListener("close", ({ code }) => resolve({ protocol: socket.protocol, messages, code }));
  return promise;
}

test("WebSocket v5: channels, sizes, and the end of input by a signal", async () => {
  const heard = await talk(
    "exec?container=main&command=echo&stdin=1&stdout=1",
    "v5.channel.k8s.io",
    (socket) => {
      socket.send(Buffer.from("\u0000hello"));
      socket.send(Buffer.from([255, 0]));
    },
  );
  expect(heard).toMatchObject({ protocol: "v5.channel.k8s.io", code: 1000 });
  const output = heard.messages
    .filter((text) => text.startsWith("\u0001"))
    .map((text) => text.slice(1))
    .join("");
  expect(output).toBe("hello|end");
  expect(heard.messages.at(-1)).toBe('\u0003{"metadata":{},"status":"Success"}');
  const sized = await talk("exec?container=main&command=size&stdout=1&tty=1", "v5.channel.k8s.io", (socket) =>
    socket.send(Buffer.from('\u0004{"Width":9,"Height":8}')),
  );
  expect(sized.messages[0]).toBe("\u00019x8");
});

const older: [string, boolean, boolean][] = [
  ["v4.channel.k8s.io", false, true],
  ["v4.base64.channel.k8s.io", true, true],
  ["channel.k8s.io", false, false],
  ["base64.channel.k8s.io", true, false],
  ["", false, false],
];
test.each(older)(
  "WebSocket %p: a greeting, channels, the end in its form",
  async (protocol, isBase64, hasStatus) => {
    const heard = await talk("exec?container=main&command=both&stdout=1&stderr=1", protocol, () => {});
    const read = (text: string): [number, string] =>
      isBase64
        ? [Number(text[0]), Buffer.from(text.slice(1), "base64").toString()]
        : [text.charCodeAt(0), text.slice(1)];
    const [greeting, ...rest] = heard.messages.map(read);
    expect(heard.protocol).toBe(protocol);
    expect(greeting).toEqual([1, ""]);
    expect(rest.filter(([channel]) => channel < 3).toSorted(([a], [b]) => a - b)).toEqual([
      [1, "out"],
      [2, "err"],
    ]);
    const end = rest.find(([channel]) => channel === 3)?.[1] ?? "";
    if (hasStatus) expect(JSON.parse(end)).toEqual(failure(3));
    else expect(end).toBe("command terminated with non-zero exit code: exit status 3");
  },
);

test("WebSocket: input in base64, and a signal's number as shells tell it", async () => {
  const heard = await talk("attach?container=main&stdin=1&stdout=1", "v4.base64.channel.k8s.io", (socket) =>
    socket.send(`0${Buffer.from("you").toString("base64")}`),
  );
  expect(heard.messages).toContain(`1${Buffer.from("heard you").toString("base64")}`);
  const killed = await talk("exec?container=main&command=killed&stdout=1", "v5.channel.k8s.io", () => {});
  expect(JSON.parse(killed.messages.at(-1)?.slice(1) ?? "")).toEqual(failure(143));
});

test("WebSocket: much output and input come whole", async () => {
  const flood = await talk(
    "exec?container=main&command=flood&command=100&stdout=1",
    "v5.channel.k8s.io",
    () => {},
  );
  const bytes = flood.messages
    .filter((text) => text.startsWith("\u0001"))
    .reduce((sum, text) => sum + text.length - 1, 0);
  expect(bytes).toBe(100 << 16);
  const piece = Buffer.concat([Buffer.of(0), Buffer.alloc(1 << 20, "z")]);
  const echo = await talk(
    "exec?container=main&command=echo&stdin=1&stdout=1",
    "v5.channel.k8s.io",
    (socket) => {
      for (let i = 0; i < 4; i++) socket.send(piece);
      socket.send(Buffer.from([255, 0]));
    },
  );
  const back = echo.messages
    .filter((text) => text.startsWith("\u0001"))
    .reduce((sum, text) => sum + text.length - 1, 0);
  expect(back).toBe((4 << 20) + "|end".length);
});

test("WebSocket: a client that leaves ends its command", async () => {
  const talking = talk("exec?container=main&command=wait&stdout=1", "v5.channel.k8s.io", (socket) => {
    void waitUntil("it runs", () => containers.running.has("wait")).then(() => socket.close());
  });
  await talking;
  await waitUntil("it is let go", () => !containers.running.has("wait") && node.open === 0);
});

const badRequests: [string, Record<string, string>, string][] = [
  [
    "another version",
    { "sec-websocket-version": "8", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==" },
    "only version 13 of WebSocket is spoken",
  ],
  [
    "a short key",
    { "sec-websocket-version": "13", "sec-websocket-key": "AAAA" },
    "the Sec-WebSocket-Key is not 16 bytes",
  ],
  [
    "no common subprotocol",
    {
      "sec-websocket-version": "13",
      "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
      "sec-websocket-protocol": "x",
    },
    "unable to negotiate protocol",
  ],
];
test.each(badRequests)("WebSocket: refuses %s", async (_, headers, message) => {
  const peer = await connectSpdy(
    port.port,
    "/api/v1/namespaces/default/pods/talker/exec?container=main&command=echo&stdout=1",
    [["connection", "upgrade"], ["upgrade", "websocket"], ...Object.entries(headers)],
  );
  using _peer = peer;
  await waitUntil("the text", () => peer.head.includes(message));
  expect(peer.head).toMatch(/^HTTP\/1\.1 400 /);
});

const forwardHeaders: HeaderField[] = [
  ["connection", "Upgrade"],
  ["upgrade", "SPDY/3.1"],
  ["x-stream-protocol-version", "portforward.k8s.io"],
];

test("SPDY: ports are forwarded, each connection by a pair of streams", async () => {
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket, bytes) => void socket.end(`got ${bytes.toString()}`) },
  });
  const peer = await connectSpdy(
    port.port,
    "/api/v1/namespaces/default/pods/talker/portforward",
    forwardHeaders,
  );
  using _ = peer;
  const open = (to: number, id: string): { error: number; data: number } => ({
    error: peer.open({ streamtype: "error", port: String(to), requestid: id }, true),
    data: peer.open({ streamtype: "data", port: String(to), requestid: id }),
  });
  const [first, second] = [open(listener.port, "0"), open(listener.port, "1")];
  peer.send(second.data, "b", true);
  peer.send(first.data, "a");
  await waitUntil("both answered", () => peer.hasEnded(first.data) && peer.hasEnded(second.data));
  expect([peer.text(first.data), peer.text(second.data)]).toEqual(["got a", "got b"]);
  peer.reset(first.data);
  await waitUntil("both are told over", () => peer.hasEnded(first.error) && peer.hasEnded(second.error));
  expect([peer.text(first.error), peer.text(second.error)]).toEqual(["", ""]);
  listener.stop(true);
  const none = open(listener.port, "2");
  await waitUntil("it is told why", () => peer.hasEnded(none.error));
  expect(peer.text(none.error)).toMatch(/^error forwarding port \d+ to pod talker, uid .*ECONNREFUSED/);
  const lonely = peer.open({ streamtype: "data", port: "80", requestid: "9" });
  const portless = peer.open({ streamtype: "error", port: "x", requestid: "10" });
  const strange = peer.open({ streamtype: "odd", port: "80", requestid: "11" });
  await waitUntil("they are refused", () => peer.said.filter(({ kind }) => kind === "reset").length >= 4);
  for (const streamId of [lonely, portless, strange])
    expect(peer.said).toContainEqual({ kind: "reset", streamId, status: 3 });
  peer.close();
  await waitUntil("nothing is left", () => node.open === 0);
});

test("WebSocket: ports are forwarded by SPDY within its messages", async () => {
  const body = "y".repeat(300_000);
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket, bytes) => void socket.end(`${bytes.toString()}${body}`) },
  });
  const peer = await connectSpdy(port.port, portForward, tunnelHeaders, true);
  using _ = peer;
  expect(peer.head).toContain("sec-websocket-protocol: SPDY/3.1+portforward.k8s.io");
  const fields = { port: String(listener.port), requestid: "0" };
  const error = peer.open({ streamtype: "error", ...fields }, true);
  const data = peer.open({ streamtype: "data", ...fields });
  peer.send(data, "hello", true);
  await waitUntil("it is over", () => peer.hasEnded(error));
  expect(peer.text(data)).toBe(`hello${body}`);
  listener.stop(true);
  // A message of text is not the tunnel's.
  peer.raw(Buffer.from([0x81, 0x80, 0, 0, 0, 0]));
  peer.raw(Buffer.from([0x88, 0x80, 0, 0, 0, 0]));
  await waitUntil("it is closed", () => peer.isClosed);
});

test("a client whose input is not taken lets go when it leaves", async () => {
  const { peer, ids } = await execSpdy(
    "exec?container=main&command=wait&stdin=1&stdout=1",
    "v4.channel.k8s.io",
    ["error", "stdin", "stdout"],
  );
  using _ = peer;
  for (let i = 0; i < 16; i++) peer.send(ids["stdin"] ?? 0, Buffer.alloc(64 << 10));
  await waitUntil("it is asked whether it lives", () => peer.said.some(({ kind }) => kind === "ping"));
  expect(containers.running.has("wait")).toBe(true);
  peer[Symbol.dispose]();
  await waitUntil("it is let go", () => !containers.running.has("wait") && node.open === 0);
});

const tunnelHeaders: HeaderField[] = [
  ["connection", "upgrade"],
  ["upgrade", "websocket"],
  ["sec-websocket-version", "13"],
  ["sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="],
  ["sec-websocket-protocol", "SPDY/3.1+portforward.k8s.io"],
];
const portForward = "/api/v1/namespaces/default/pods/talker/portforward";

test("WebSocket: a client that does not read holds up what is forwarded", async () => {
  const piece = new Uint8Array(1 << 16);
  const pieces = 400;
  let pulled = 0;
  const web = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () =>
      new Response(
        new ReadableStream({
          async pull(controller) {
            if (pulled++ === pieces) controller.close();
            else controller.enqueue(piece);
            await Bun.sleep(0);
          },
        }),
      ),
  });
  const peer = await connectSpdy(port.port, portForward, tunnelHeaders, true);
  using _ = peer;
  const fields = { port: String(web.port), requestid: "0" };
  const error = peer.open({ streamtype: "error", ...fields }, true);
  const data = peer.open({ streamtype: "data", ...fields });
  peer.send(data, "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  await waitUntil("it flows", () => peer.bytes(data) > 0);
  peer.pause();
  await waitUntilStill(() => pulled);
  expect(pulled).toBeLessThan(pieces);
  peer.resume();
  await waitUntil("it ends", () => peer.hasEnded(data));
  expect(peer.bytes(data)).toBeGreaterThan(pieces << 16);
  peer.send(data, "", true);
  await waitUntil("it is over", () => peer.hasEnded(error));
  await web.stop(true);
});

test("WebSocket: what is forwarded to one who does not read is held up, and ends with its client", async () => {
  const accepted: { pause(): void; end(): void }[] = [];
  let isClosed = false;
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        socket.pause();
        accepted.push(socket);
      },
      data() {},
      close: () => void (isClosed = true),
    },
  });
  const peer = await connectSpdy(port.port, portForward, tunnelHeaders, true);
  using _ = peer;
  const fields = { port: String(listener.port), requestid: "0" };
  peer.open({ streamtype: "error", ...fields }, true);
  const data = peer.open({ streamtype: "data", ...fields });
  for (let i = 0; i < 2; i++) peer.send(data, Buffer.alloc(8 << 20));
  await waitUntil("it is connected", () => accepted.length === 1);
  peer[Symbol.dispose]();
  await waitUntil("the node lets go", () => node.open === 0);
  accepted[0]?.end();
  await waitUntil("it is closed", () => isClosed);
  listener.stop(true);
});

test("WebSocket: what breaks the protocol within closes it", async () => {
  const peer = await connectSpdy(port.port, portForward, tunnelHeaders, true);
  using _ = peer;
  peer.send(0, "data of no stream");
  peer.raw(Buffer.from([0x88, 0x80, 0, 0, 0, 0]));
  await waitUntil("it is closed", () => peer.isClosed);
});

test("WebSocket: pings are answered, and what breaks the protocol closes", async () => {
  const query = "exec?container=main&command=wait&stdout=1";
  const headers = tunnelHeaders.map(([name, value]): HeaderField => [
    name,
    name === "sec-websocket-protocol" ? "v5.channel.k8s.io" : value,
  ]);
  const target = `/api/v1/namespaces/default/pods/talker/${query}`;
  const peer = await connectSpdy(port.port, target, headers, true);
  using _ = peer;
  peer.raw(Buffer.from([0x8a, 0x80, 0, 0, 0, 0, 0x89, 0x80, 0, 0, 0, 0]));
  await waitUntil("it runs", () => containers.running.has("wait"));
  peer.raw(Buffer.from([0x82, 0x00]));
  await waitUntil("it is closed", () => peer.isClosed && !containers.running.has("wait"));
});

test("a Pod that does not run has no ports to forward", async () => {
  const made = { metadata: { name: "pending", namespace: "default" } };
  const spec = { nodeName: "node-0", containers: [{ name: "main", image: "x" }] };
  await api.client.create(podResource, { ...made, spec } as never);
  const response = await ask("POST", "pending/portforward");
  expect([response.status, await response.text()]).toEqual([500, 'pod not found ("pending_default")']);
});

test("a client over WebSocket whose input is not taken lets go when it leaves", async () => {
  const client = await connectSpdy(
    port.port,
    "/api/v1/namespaces/default/pods/talker/exec?container=main&command=wait&stdin=1&stdout=1",
    [
      ["connection", "upgrade"],
      ["upgrade", "websocket"],
      ["sec-websocket-version", "13"],
      ["sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="],
      ["sec-websocket-protocol", "v5.channel.k8s.io"],
    ],
  );
  // A frame of 1 MiB with a mask of zeros, channel 0.
  const head = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0]);
  client.raw(Buffer.concat([head, Buffer.alloc(1 << 20)]));
  await waitUntil("it runs", () => containers.running.has("wait"));
  client[Symbol.dispose]();
  await waitUntil("it is let go", () => !containers.running.has("wait") && node.open === 0);
});

test("without a node every stream says so", async () => {
  node.close();
  const response = await ask("GET", "talker/log?container=main");
  expect([response.status, await response.text()]).toEqual([
    500,
    expect.stringContaining("cannot read the log from the node: Cannot connect to"),
  ]);
  const heard = await talk("exec?container=main&command=echo&stdout=1", "v5.channel.k8s.io", () => {});
  expect(heard.messages.at(-1)).toContain("error executing command in container: Cannot connect to");
  node = serveStreams({
    socketPath: join(folder, "kubelet.sock"),
    access: containers,
    isApi,
    libc,
    poller,
    log: silentLog,
  });
});
