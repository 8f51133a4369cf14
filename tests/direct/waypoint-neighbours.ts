/**
 * A real waypoint process among scripted neighbours: a recorded control plane, a node runtime whose answers the test
 * gives, instances behind real tunnels, and callers that dial through tunnels of their own.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatIp, type IpAddress } from "#core/address/ip.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import type { Authorization } from "#core/proto/istio/authorization_pb.js";
import { AuthorizationSchema } from "#core/proto/istio/authorization_pb.js";
import { type Waypoint, WaypointSchema } from "#core/proto/lambient/discovery_pb.js";
import type { Channel } from "#host/channel.ts";
import { serveChannels } from "#host/channel-socket.ts";
import { closeFd, type Libc } from "#host/linux/libc.ts";
import { localEndpoint, startListen } from "#host/linux/sockets.ts";
import { MeshError } from "#host/mesh-error.ts";
import { openTunnel } from "#host/tunnel/open-tunnel.ts";
import { listenStreams } from "#host/tunnel/socket-stream.ts";
import { splice } from "#host/tunnel/splice.ts";
import type { Tunnel } from "#host/tunnel/tunnel.ts";
import { type RecordedAds, startRecordedAds } from "../support/recorded-ads.ts";
import { spiffeId } from "../support/test-ca.ts";
import { waitUntil } from "../support/wait-until.ts";
import { listenAsInstance, type ScriptedInstance, tunnelPort } from "./scripted-instance.ts";
import { type ExportedSpan, serveSpanSink } from "./span-sink.ts";
import {
  edgeBefore,
  priceVip,
  priceWaypoint,
  type Routes,
  type WaypointOptions,
} from "./waypoint-objects.ts";

const bun = process.execPath;
const root = join(import.meta.dir, "../..");

/** What the scripted node runtime was asked, and answers. */
export interface ScriptedNode {
  readonly activations: { readonly revision: string; readonly further: boolean }[];
  readonly released: string[];
  /** Answers an activation; by default the next started instance. */
  answer: (revision: string, further: boolean) => unknown;
  /** Tells every holder that an instance is gone. */
  gone(instance: string): void;
}

/** A caller's way in: a plain port on 127.0.0.1 whose connections go through a tunnel of that identity. */
export interface Caller {
  readonly url: string;
  readonly port: number;
  readonly tunnel: Tunnel;
}

/** See the file's first line. */
export class Neighbours implements AsyncDisposable {
  readonly runDir: string;
  readonly node: ScriptedNode;
  readonly ads: RecordedAds;
  /** What the process wrote, line by line. */
  readonly lines: string[] = [];
  readonly #cleanups: (() => void)[] = [];
  readonly #channels = new Set<Channel>();
  readonly #net: string;
  #hosts = 1;
  readonly #waypoints = new Map<string, Waypoint>();
  readonly #processes: Bun.Subprocess[] = [];
  /** The edge's own address once it runs. */
  edgeAddress: IpAddress | undefined;

  private constructor(ads: RecordedAds, runDir: string) {
    this.ads = ads;
    this.runDir = runDir;
    // A /24 of loopback that no other test run has, so that port 15008 is free in it.
    this.#net = `127.${1 + (process.pid % 250)}.${Math.floor(Math.random() * 256)}`;
    this.node = {
      activations: [],
      released: [],
      answer: () => {
        throw new MeshError("not-found", "no instance is scripted");
      },
      gone: (instance) => {
        for (const channel of this.#channels)
          channel.notify("instance-gone", { instance, revision: "", reason: "scripted" });
      },
    };
  }

  /** Makes run directory, control plane, certificates and node runtime. */
  static async start(): Promise<Neighbours> {
    const runDir = mkdtempSync(join(tmpdir(), "waypoint-"));
    const ads = await startRecordedAds({ runDir });
    mkdirSync(join(runDir, "tokens"));
    for (const program of ["waypoint", "edge"]) writeFileSync(join(runDir, "tokens", program), "recorded");
    ads.ca.writeFiles(join(runDir, "certificates"), {
      waypoint: "ns/shop/sa/waypoint",
      edge: "ns/lambient-system/sa/edge",
    });
    const neighbours = new Neighbours(ads, runDir);
    neighbours.#serveNode();
    return neighbours;
  }

  /** An address that is only this test's. */
  nextAddress(): IpAddress {
    return formatIp(Uint8Array.from([...this.#net.split("."), this.#hosts++].map(Number)));
  }

  /** Tells the waypoint its routes and the policies of its service. */
  configure(
    routes: Routes,
    options: WaypointOptions & { readonly policies?: readonly Authorization[] } = {},
  ): void {
    const policies = options.policies ?? [];
    this.ads.set(
      AuthorizationSchema,
      Object.fromEntries(policies.map((policy) => [`${policy.namespace}/${policy.name}`, policy])),
    );
    this.#waypoints.set("shop/waypoint", priceWaypoint(routes, options));
    this.ads.set(WaypointSchema, Object.fromEntries(this.#waypoints));
  }

  /** Tells the edge that the service stands behind a waypoint at this address. */
  configureEdge(waypoint: IpAddress): void {
    this.#waypoints.set("lambient-system/edge", edgeBefore(waypoint));
    this.ads.set(WaypointSchema, Object.fromEntries(this.#waypoints));
  }

  /** Starts the edge on a listening socket made here; resolves once it accepts. @returns its port */
  async startEdge(libc: Libc, flags: readonly string[] = []): Promise<number> {
    const address = this.nextAddress();
    const fd = startListen(libc, libc.homeNamespace, { address, port: 0 });
    const { port } = localEndpoint(libc, fd);
    this.spawn(["--edge", "--listen-fd", "3", "--address", address, ...flags], [fd]);
    closeFd(libc, fd);
    await waitUntil("the edge serves", () => this.lines.some((line) => /\tedge\tserving/.test(line)));
    this.edgeAddress = address;
    return port;
  }

  /** Starts the waypoint by its own entry; resolves once it accepts. @returns its address */
  async startWaypoint(flags: readonly string[] = []): Promise<IpAddress> {
    const address = this.nextAddress();
    this.spawn(["--name", "shop/waypoint", "--listen", `${address}:${tunnelPort}`, ...flags]);
    await this.seen("serving");
    return address;
  }

  /** Starts the program. */
  spawn(flags: readonly string[], fds: readonly number[] = []): Bun.Subprocess {
    const child = Bun.spawn(
      [
        bun,
        join(root, "waypoint/main.ts"),
        "--run-dir",
        this.runDir,
        "--certificates",
        join(this.runDir, "certificates"),
        ...flags,
      ],
      { stdio: ["ignore", "pipe", "pipe", ...fds] },
    );
    this.#processes.push(child);
    for (const output of [child.stdout, child.stderr])
      if (output instanceof ReadableStream) void this.#collect(output);
    return child;
  }

  /** The process that was started last. */
  get process(): Bun.Subprocess {
    const last = this.#processes.at(-1);
    if (last === undefined) throw new Error("nothing was started");
    return last;
  }

  /** Resident memory of the process. */
  rssMb(): number {
    const status = readFileSync(`/proc/${this.process.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  }

  /** Waits for a line that holds the text. */
  async seen(text: string): Promise<string> {
    return waitUntil(`a line with ${text} in\n${this.lines.join("\n")}`, () =>
      this.lines.find((line) => line.includes(text)),
    );
  }

  /** Starts an instance. */
  startInstance(id: string, handler: (request: Request) => Response | Promise<Response>): ScriptedInstance {
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", idleTimeout: 0, fetch: handler });
    this.#cleanups.push(() => void server.stop(true));
    return this.startRawInstance(id, server.port ?? 0);
  }

  /** Puts a tunnel in front of a port on 127.0.0.1. */
  startRawInstance(id: string, port: number, identity = "ns/shop/sa/price"): ScriptedInstance {
    const scripted = listenAsInstance({
      id,
      address: this.nextAddress(),
      port,
      certificate: this.ads.ca.issue(identity),
    });
    this.#cleanups.push(() => scripted.close());
    return scripted.instance;
  }

  /** Serves the spans' store on `api.sock`; gives what was exported so far, flat. */
  serveSpans(): readonly ExportedSpan[] {
    const store = serveSpanSink(join(this.runDir, "api.sock"), this.ads.ca);
    this.#cleanups.push(() => store.close());
    return store.spans;
  }

  /** Opens a caller's way to the waypoint. */
  async openCaller(waypoint: IpAddress, identity: string, headers: HeaderField[] = []): Promise<Caller> {
    const tunnel = await openTunnel({
      dial: { kind: "address", hostname: waypoint, port: tunnelPort },
      certificate: this.ads.ca.issue(identity),
      expectedPeers: new Set([spiffeId("ns/shop/sa/waypoint")]),
    });
    const listener = listenStreams({ kind: "address", hostname: "127.0.0.1", port: 0 }, (local) => {
      local.pause();
      tunnel.connect([[":method", "CONNECT"], [":authority", priceVip], ...headers]).then(
        (outcome) => {
          if (outcome.kind === "refused") local.reset();
          else splice(local, outcome.stream);
        },
        () => local.reset(),
      );
    });
    this.#cleanups.push(() => {
      listener.close();
      tunnel.close();
    });
    const port = listener.port ?? 0;
    return { url: `http://127.0.0.1:${port}`, port, tunnel };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#processes) child.kill("SIGKILL");
    await Promise.all(this.#processes.map(({ exited }) => exited));
    for (const cleanup of this.#cleanups.splice(0)) cleanup();
    await this.ads[Symbol.asyncDispose]();
    rmSync(this.runDir, { recursive: true, force: true });
  }

  #serveNode(): void {
    const server = serveChannels(join(this.runDir, "node.sock"), (channel) => {
      this.#channels.add(channel);
      return {
        onRequest: (method, params) => this.#onNode(method, params),
        onNotify() {},
        onClose: () => void this.#channels.delete(channel),
      };
    });
    this.#cleanups.push(() => server.close());
  }

  #onNode(method: string, params: unknown): unknown {
    const fields = params as Record<string, unknown>;
    if (method === "hello") return {};
    if (method === "release") {
      this.node.released.push(String(fields["instance"]));
      return {};
    }
    const asked = { revision: String(fields["revision"]), further: fields["further"] === true };
    this.node.activations.push(asked);
    return this.node.answer(asked.revision, asked.further);
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      this.lines.push(...parts);
    }
  }
}
