import { expect, test } from "bun:test";
import type { IpAddress } from "#core/address/ip.ts";
import type { Verdict } from "#core/policy/decide-access.ts";
import { noService } from "#core/routing/service-table.ts";
import { silentLog } from "#host/log.ts";
import { FakeStream, settled } from "./fake/fake-stream.ts";
import { cart } from "./fake/make-exchange.ts";
import type { Destination, OpenOutcome } from "./open-upstream.ts";
import { PassThroughs } from "./pass-through.ts";

const service = { ...noService, namespace: "shop", name: "db", authority: "10.96.0.7:5432", port: 5432 };
const allowed: Verdict = { kind: "allowed", policy: undefined, dryRunDenial: undefined };
const denied: Verdict = { kind: "denied", reason: "explicit", policies: ["shop/no"] };

function endpoint(host: number): Destination {
  const target = { ip: `10.244.0.${host}` as IpAddress, port: 5432 };
  return { key: `${host}`, target, identities: undefined, tunnelAddress: target, namesCaller: false };
}

/** Connections whose endpoints are the test. */
class Bench {
  verdict: Verdict = allowed;
  readonly outcomes: OpenOutcome["kind"][] = [];
  readonly upstream = new FakeStream();
  readonly near = new FakeStream();
  /** Endpoints that were tried, then how the caller was answered. */
  readonly told: string[] = [];
  readonly passThroughs: PassThroughs;

  constructor(connectionsMax = 2) {
    this.passThroughs = new PassThroughs({
      connectionsMax,
      attemptsMax: 2,
      decide: () => this.verdict,
      endpointsKnown: () => undefined,
      endpointFor: (_, failed) => endpoint(failed === undefined ? 130 : 131),
      open: (_, { key }) => this.#open(key),
      log: silentLog,
    });
  }

  async carry(): Promise<void> {
    this.passThroughs.carry({
      caller: cart,
      service,
      accept: () => {
        this.told.push("accepted");
        return this.near;
      },
      refuse: (status) => void this.told.push(String(status)),
    });
    await settled();
  }

  #open(key: string): Promise<OpenOutcome> {
    this.told.push(key);
    const kind = this.outcomes.shift() ?? "opened";
    return Promise.resolve(
      kind === "opened" ? { kind, stream: this.upstream } : { kind, reason: "scripted" },
    );
  }
}

test("bytes pass both ways until both ends are over", async () => {
  const bench = new Bench();
  await bench.carry();
  bench.near.receive("question");
  bench.upstream.receive("answer");
  expect([bench.told, bench.upstream.written, bench.near.written]).toEqual([
    ["130", "accepted"],
    "question",
    "answer",
  ]);
  expect(bench.passThroughs.count).toBe(1);
  for (const stream of [bench.near, bench.upstream]) stream.close();
  expect(bench.passThroughs.count).toBe(0);
});

test.each<[string, Verdict, readonly OpenOutcome["kind"][], readonly string[]]>([
  ["a caller that policy refuses", denied, [], ["403"]],
  ["a caller that the endpoint refuses", allowed, ["denied"], ["130", "403"]],
  ["an endpoint that fails", allowed, ["failed"], ["130", "131", "accepted"]],
  ["endpoints that fail", allowed, ["failed", "failed"], ["130", "131", "503"]],
])("%s", async (_name, verdict, outcomes, want) => {
  const bench = new Bench();
  bench.verdict = verdict;
  bench.outcomes.push(...outcomes);
  await bench.carry();
  expect(bench.told).toEqual([...want]);
});

test("what policy no longer allows is cut, and so is all at the end", async () => {
  for (const end of ["policy", "program"]) {
    const bench = new Bench();
    await bench.carry();
    bench.passThroughs.cutDenied();
    expect(bench.near.isReset).toBe(false);
    if (end === "policy") bench.verdict = denied;
    if (end === "policy") bench.passThroughs.cutDenied();
    else bench.passThroughs.cut();
    expect([bench.near.isReset, bench.upstream.isReset, bench.passThroughs.count]).toEqual([true, true, 0]);
  }
});

test("beyond the limit a connection is refused", async () => {
  const bench = new Bench(0);
  await bench.carry();
  expect(bench.told).toEqual(["503"]);
});
