import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { type IpAddress, ipBytes } from "#core/address/ip.ts";
import { WaypointSchema } from "#core/proto/lambient/discovery_pb.js";
import { FakeClock } from "#host/fake/fake-clock.ts";
import type { ByteStream } from "#host/byte-stream.ts";
import type { TunnelRequest, TunnelResponder } from "#host/tunnel/tunnel.ts";
import { emptySnapshot, withWaypoint } from "./configuration.ts";
import { FakeStream, settled } from "./fake/fake-stream.ts";
import { cart } from "./fake/make-exchange.ts";
import { terminate } from "./terminate.ts";

const address = "10.96.0.7" as IpAddress;

/** A waypoint of one service, and what became of a CONNECT. */
class Bench {
  readonly told: string[] = [];
  readonly clock = new FakeClock();
  readonly stream = new FakeStream();
  isFull = false;
  readonly #snapshot;

  constructor(appProtocol: string, direct: boolean) {
    this.#snapshot = withWaypoint(
      emptySnapshot,
      create(WaypointSchema, {
        services: [
          {
            namespace: "shop",
            name: "db",
            addresses: [ipBytes(address)],
            ports: [{ port: 80, appProtocol }],
            direct,
          },
        ],
      }),
    );
  }

  ask(authority = `${address}:80`): void {
    const ends = { ip: cart.address, port: 1 };
    const request: TunnelRequest = {
      headers: [],
      authority,
      peer: cart.identity,
      peerAddress: ends,
      localAddress: ends,
    };
    const responder: TunnelResponder = {
      accept: () => this.stream,
      refuse: (status) => void this.told.push(String(status)),
      onAbandoned() {},
    };
    const { isFull } = this;
    const serve = (_stream: ByteStream): void => void this.told.push("served");
    terminate(request, responder, {
      snapshot: () => this.#snapshot,
      // Sound: no more of them is used here.
      connections: { isFull, serve } as never,
      exchanges: { touch() {} } as never,
      run: () => Promise.resolve(),
      clock: this.clock,
      passThroughs: {
        carry: (passing) => {
          passing.accept();
          const { caller, service } = passing;
          this.told.push(`carried for ${caller.identity.split("/").at(-1)} to ${service.name}`);
          passing.refuse(503);
        },
      },
      onCaller: () => void this.told.push("caller"),
      onRefused: (_request, _status, reason) => void this.told.push(reason),
    });
  }
}

test.each<[string, string, boolean, readonly string[]]>([
  ["HTTP", "http", false, ["caller", "served"]],
  ["HTTP of an ordinary service", "http", true, ["caller", "served"]],
  ["an undeclared protocol of a function", "", false, ["caller", "served"]],
  ["another protocol of a function", "tcp", false, ["the port's protocol is not served", "503"]],
  ["another protocol of an ordinary service", "redis", true, ["carried for cart to db", "503"]],
])("%s", (_name, appProtocol, direct, want) => {
  const bench = new Bench(appProtocol, direct);
  bench.ask();
  expect(bench.told).toEqual([...want]);
});

test("a stranger's address is not found, and beyond the limit nobody is served", () => {
  const bench = new Bench("http", false);
  bench.ask("10.96.0.8:80");
  bench.ask("nonsense");
  bench.isFull = true;
  bench.ask();
  expect(bench.told.filter((text) => /^\d+$/.test(text))).toEqual(["404", "404", "503"]);
});

test.each([
  ["GET / HTTP/1.1\r\n", "served"],
  ["\u0016\u0003\u0001", "carried for cart to db"],
  ["", "carried for cart to db"],
])("an undeclared protocol that begins with %j is %s", async (first, want) => {
  const bench = new Bench("", true);
  bench.ask();
  if (first !== "") bench.stream.receive(first);
  bench.clock.advance(100);
  await settled();
  expect(bench.told).toEqual(["caller", want]);
});
