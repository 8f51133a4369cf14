/** The discovery service over real gRPC on a unix socket: its bounds, and what a client that reads slowly costs. */
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
} from "#core/proto/envoy/discovery_pb.js";
import { AuthorizationSchema } from "#core/proto/istio/authorization_pb.js";
import { callMetadata, openControlChannel } from "#host/discovery/control-channel.ts";
import { typeUrlOf } from "#host/discovery/watched-type.ts";
import { makeTestCa } from "../../../tests/support/test-ca.ts";
import { waitUntil } from "../../../tests/support/wait-until.ts";
import { serveGrpc } from "../grpc-server.ts";
import { ResourceSet } from "./resource-set.ts";
import { type AdsServiceOptions, makeAdsService } from "./serve-ads.ts";

const typeUrl = typeUrlOf(AuthorizationSchema);
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0).toReversed()) end();
});

type Stream = ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

async function serve(options: Partial<AdsServiceOptions> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "lambient-ads-"));
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  const ca = makeTestCa();
  writeFileSync(join(folder, "ca.pem"), ca.rootsPem);
  writeFileSync(join(folder, "token"), "t");
  const resources = new ResourceSet();
  const open = { streams: 0 };
  const service = makeAdsService({
    resources,
    authenticate: () => Promise.resolve("ztunnel"),
    mayFollow: () => true,
    onStreams: (streams) => void (open.streams = streams),
    ...options,
  });
  const socketPath = join(folder, "control.sock");
  const server = await serveGrpc({ socketPath, ...ca.issueServer(["lambient.local"]), services: [service] });
  ends.push(() => server.close());
  const channel = {
    target: `unix:${socketPath}`,
    rootsPath: join(folder, "ca.pem"),
    tokenPath: join(folder, "token"),
  };
  const connect = (): { stream: Stream; failure: Promise<string> } => {
    const client = openControlChannel(channel);
    ends.push(() => client.close());
    const stream: Stream = client.makeBidiStreamRequest(
      "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
      (request: DeltaDiscoveryRequest) => Buffer.from(toBinary(DeltaDiscoveryRequestSchema, request)),
      (bytes: Buffer) => fromBinary(DeltaDiscoveryResponseSchema, bytes),
      callMetadata(channel),
    );
    const failure = new Promise<string>((resolve) => {
      stream.on("error", (error: Error) => resolve(error.message));
    });
    return { stream, failure };
  };
  return { resources, open, connect };
}

function subscribe(stream: Stream): void {
  stream.write(create(DeltaDiscoveryRequestSchema, { typeUrl }));
}

function ask(stream: Stream, ...resourceNamesSubscribe: string[]): void {
  stream.write(create(DeltaDiscoveryRequestSchema, { typeUrl, resourceNamesSubscribe }));
}

test("streams beyond the bound are refused, and room is made when one ends", async () => {
  const { connect, open } = await serve({ streamsMax: 1 });
  const first = connect();
  subscribe(first.stream);
  await waitUntil("the first stream is open", () => open.streams === 1);
  const second = connect();
  expect(await second.failure).toContain("RESOURCE_EXHAUSTED");
  first.stream.cancel();
  await waitUntil("the first stream is over", () => open.streams === 0);
  const third = connect();
  const answered = new Promise((resolve) => void third.stream.once("data", resolve));
  subscribe(third.stream);
  expect(await answered).toMatchObject({ typeUrl });
});

test("a stream that asks for more names than the bound is ended, and may come again with fewer", async () => {
  const { connect, open } = await serve({ namesMax: 2 });
  const greedy = connect();
  ask(greedy.stream, "a", "b", "c");
  expect(await greedy.failure).toContain("RESOURCE_EXHAUSTED: Cannot follow more than 2 names");
  await waitUntil("its stream is over", () => open.streams === 0);
  const modest = connect();
  const answered = new Promise((resolve) => void modest.stream.once("data", resolve));
  ask(modest.stream, "a", "b");
  expect(await answered).toMatchObject({ removedResources: ["a", "b"] });
});

test("a program that follows what it may not is refused by name", async () => {
  const { connect } = await serve({ mayFollow: () => false });
  const { stream, failure } = connect();
  subscribe(stream);
  expect(await failure).toContain(`PERMISSION_DENIED: ztunnel may not follow "${typeUrl}"`);
});

test("a client that does not read costs the server a few responses, not one a change, and ends up with the last state", async () => {
  const { connect, resources } = await serve();
  const { stream } = connect();
  const received: DeltaDiscoveryResponse[] = [];
  stream.on("data", (response: DeltaDiscoveryResponse) => received.push(response));
  subscribe(stream);
  await waitUntil("it is subscribed", () => received.length === 1);
  stream.pause();
  const changes = 300;
  const large = "x".repeat(1 << 18);
  for (let i = 1; i <= changes; i++) {
    const message = create(AuthorizationSchema, { name: `${i}`, namespace: large });
    resources.replace(AuthorizationSchema, new Map([["p", message]]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  stream.resume();
  const lastName = (): string => {
    const value = received.at(-1)?.resources[0]?.resource?.value;
    return value === undefined ? "" : fromBinary(AuthorizationSchema, value).name;
  };
  await waitUntil("the last state is there", () => lastName() === `${changes}`);
  expect(received.length).toBeLessThan(changes / 2);
}, 30_000);
