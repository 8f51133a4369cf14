/** A discovery server for tests: serves a set of resources over the real protocol, takes one token, and can change them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { ControlChannelOptions } from "#host/discovery/control-channel.ts";
import { ResourceSet } from "../../k8s/control-plane/discovery/resource-set.ts";
import { type GrpcService, makeAdsService } from "../../k8s/control-plane/discovery/serve-ads.ts";
import { serveGrpc } from "../../k8s/control-plane/grpc-server.ts";
import { makeTestCa, type TestCa } from "./test-ca.ts";

/** A server that runs. */
export interface RecordedAds extends AsyncDisposable {
  readonly channel: ControlChannelOptions;
  readonly ca: TestCa;
  /** Makes these all the resources of a type; clients hear of the difference. */
  set<Desc extends DescMessage>(schema: Desc, resources: Readonly<Record<string, MessageShape<Desc>>>): void;
  /** Sets one resource from bytes, readable or not. */
  putBytes(schema: DescMessage, name: string, bytes: Uint8Array): void;
  /** What clients refused so far, as `<type URL>: <reason>`. */
  readonly refusals: readonly string[];
  /** Ends every stream and stops listening; `start` serves again at the same place with the same resources. */
  stop(): void;
  start(): Promise<void>;
}

/** Where to serve; by default a folder of its own that goes with it. */
export interface RecordedAdsOptions {
  /** `control.sock`, `ca.pem` and `tokens/<program>` come here. */
  readonly runDir?: string;
  readonly ca?: TestCa;
  /** Served beside discovery on the same socket, say a certificate service. */
  readonly services?: (ca: TestCa) => readonly GrpcService[];
}

/** Starts a server with no resources. */
export async function startRecordedAds(options: RecordedAdsOptions = {}): Promise<RecordedAds> {
  const folder = options.runDir ?? mkdtempSync(join(tmpdir(), "lambient-ads-"));
  const ca = options.ca ?? makeTestCa();
  const resources = new ResourceSet();
  const refusals: string[] = [];
  const token = "recorded";
  writeFileSync(join(folder, "ca.pem"), ca.rootsPem);
  writeFileSync(join(folder, "token"), token, { mode: 0o600 });
  const service = makeAdsService({
    resources,
    authenticate: (authorization) =>
      Promise.resolve(authorization === `Bearer ${token}` ? "recorded" : undefined),
    mayFollow: () => true,
    onRefusal: (_, typeUrl, message) => void refusals.push(`${typeUrl}: ${message}`),
  });
  const others = options.services?.(ca) ?? [];
  const socketPath = join(folder, "control.sock");
  let server: { close(): void } | undefined;
  const start = async (): Promise<void> => {
    server ??= await serveGrpc({
      socketPath,
      ...ca.issueServer(["lambient.local"]),
      services: [service, ...others],
    });
  };
  const stop = (): void => {
    server?.close();
    server = undefined;
  };
  await start();
  return {
    channel: {
      target: `unix:${socketPath}`,
      rootsPath: join(folder, "ca.pem"),
      tokenPath: join(folder, "token"),
    },
    ca,
    set: (schema, wanted) => void resources.replace(schema, new Map(Object.entries(wanted))),
    putBytes: (schema, name, bytes) =>
      resources.putBytes(`type.googleapis.com/${schema.typeName}`, name, bytes),
    refusals,
    stop,
    start,
    [Symbol.asyncDispose]() {
      stop();
      if (options.runDir === undefined) rmSync(folder, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}
