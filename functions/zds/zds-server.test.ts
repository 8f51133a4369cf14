import { expect, test } from "bun:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  Version,
  type WorkloadRequest,
  WorkloadRequestSchema,
  WorkloadResponseSchema,
  ZdsHelloSchema,
} from "#core/proto/istio/zds_pb.js";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { silentLog } from "#host/log.ts";
import { meshErrorCode } from "#host/mesh-error.ts";
import type { PacketConnection, PacketHandlers } from "#host/zds/packet-port.ts";
import { ZdsServer } from "./zds-server.ts";

const hello = toBinary(ZdsHelloSchema, create(ZdsHelloSchema, { version: Version.V1 }));
const assignment = { revision: "shop/cart-v1", namespace: "shop", serviceAccount: "cart", policies: [] };

function ack(error = ""): Uint8Array {
  return toBinary(
    WorkloadResponseSchema,
    create(WorkloadResponseSchema, { payload: { case: "ack", value: { error } } }),
  );
}

function slot(uid: string) {
  return {
    uid,
    address: Uint8Array.of(10, 244, 0, 2),
    nameserver: Uint8Array.of(10, 96, 0, 10),
    fds: [7, 8] as const,
  };
}

/** A ztunnel that answers when told to. */
class Ztunnel implements PacketConnection {
  readonly requests: WorkloadRequest[] = [];
  readonly fds: (readonly number[])[] = [];
  isClosed = false;
  handlers: PacketHandlers | undefined;

  constructor(server: ZdsServer, greets = true) {
    this.handlers = server.accept(this);
    if (greets) this.handlers?.onPacket(hello);
  }

  send(bytes: Uint8Array, fds: readonly number[]): boolean {
    this.requests.push(fromBinary(WorkloadRequestSchema, bytes));
    this.fds.push(fds);
    return true;
  }

  close(): void {
    this.isClosed = true;
  }

  answer(error = ""): void {
    this.handlers?.onPacket(ack(error));
  }

  /** Acknowledges until nothing more is asked; the requests by kind and uid. */
  answerAll(): string[] {
    for (let answered = 0; answered < this.requests.length; answered++) this.answer();
    return this.said();
  }

  said(): string[] {
    return this.requests.map(({ payload }) =>
      `${payload.case} ${payload.value !== undefined && "uid" in payload.value ? payload.value.uid : ""}`.trim(),
    );
  }
}

function open(connectionsMax = 4) {
  const clock = new FakeClock();
  return { clock, server: new ZdsServer({ clock, log: silentLog, deadlineMs: 5000, connectionsMax }) };
}

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(() => "none", meshErrorCode);
}

test("a ztunnel hears of every slot, the end of the snapshot, then of changes", async () => {
  const { server } = open();
  server.add(slot("a"));
  const ztunnel = new Ztunnel(server);
  expect(server.isSynced).toBe(false);
  expect(ztunnel.answerAll()).toEqual(["prepare a", "snapshotSent"]);
  expect(ztunnel.fds[0]).toEqual([7, 8]);
  expect(server.isSynced).toBe(true);
  await server.whenPrepared("a");
  const assigned = server.assign("a", assignment);
  expect(ztunnel.requests.at(-1)?.payload.value).toMatchObject({
    uid: "a",
    revision: "shop/cart-v1",
    serviceAccount: "cart",
  });
  ztunnel.answer();
  await assigned;
  expect(server.slots).toBe(1);
  server.remove("a");
  expect(ztunnel.said().at(-1)).toBe("del a");
  server.close();
  expect([ztunnel.isClosed, server.isSynced]).toEqual([true, false]);
});

test("one request is outstanding at a time, and an assignment overtakes waiting slots", async () => {
  const { server } = open();
  server.add(slot("a"));
  const ztunnel = new Ztunnel(server);
  server.add(slot("b"));
  server.add(slot("c"));
  expect(ztunnel.said()).toEqual(["prepare a"]);
  const assigned = server.assign("a", assignment);
  expect(ztunnel.answerAll()).toEqual(["prepare a", "assign a", "prepare b", "prepare c", "snapshotSent"]);
  await assigned;
});

test("a ztunnel that comes back is told everything again", async () => {
  const { server } = open();
  server.add(slot("a"));
  server.add(slot("b"));
  const first = new Ztunnel(server);
  const assigned = server.assign("b", assignment);
  first.answerAll();
  await assigned;
  first.handlers?.onClose();
  const late = server.whenPrepared("a");
  const second = new Ztunnel(server);
  expect(second.answerAll()).toEqual(["prepare b", "assign b", "prepare a", "snapshotSent"]);
  await late;
});

test("an older ztunnel, which drains, only hears of what is gone", () => {
  const { server } = open();
  server.add(slot("a"));
  const old = new Ztunnel(server);
  old.answerAll();
  const latest = new Ztunnel(server);
  latest.answerAll();
  server.add(slot("b"));
  server.remove("a");
  expect(old.answerAll()).toEqual(["prepare a", "snapshotSent", "del a"]);
  expect(latest.answerAll()).toEqual(["prepare a", "snapshotSent", "prepare b", "del a"]);
});

test("a refusal reaches who waits, and is tried again later", async () => {
  const { server, clock } = open();
  server.add(slot("a"));
  const waiting = codeOf(server.whenPrepared("a"));
  const ztunnel = new Ztunnel(server);
  ztunnel.answer("no listener");
  expect(await waiting).toBe("unavailable");
  ztunnel.answer();
  expect(ztunnel.said()).toEqual(["prepare a", "snapshotSent"]);
  clock.advance(5000);
  ztunnel.answer();
  await server.whenPrepared("a");
});

test("an identity that no ztunnel takes ends by the deadline, a slot's wait when the slot goes away", async () => {
  const { server, clock } = open();
  server.add(slot("a"));
  server.add(slot("b"));
  const late = codeOf(server.assign("a", assignment));
  const gone = codeOf(server.whenPrepared("b"));
  clock.advance(5000);
  server.remove("b");
  expect([await late, await gone]).toEqual(["timeout", "canceled"]);
  expect(await codeOf(server.assign("b", assignment))).toBe("not-found");
  expect(clock.pending).toBe(0);
});

const breaches: [string, (ztunnel: Ztunnel, clock: FakeClock) => void][] = [
  ["greets with something else", (z) => z.handlers?.onPacket(Uint8Array.of(255, 255))],
  ["does not greet", (_, clock) => clock.advance(5000)],
  ["greets twice", (z) => (z.handlers?.onPacket(hello), z.handlers?.onPacket(hello))],
  ["does not acknowledge", (z, clock) => (z.handlers?.onPacket(hello), clock.advance(5000))],
  [
    "sends no acknowledgement",
    (z) => (z.handlers?.onPacket(hello), z.handlers?.onPacket(Uint8Array.of(8, 8, 8))),
  ],
  ["refuses the snapshot", (z) => (z.handlers?.onPacket(hello), z.answer("no"))],
  ["answers unasked", (z) => (z.handlers?.onPacket(hello), z.answer(), z.answer())],
];
test.each(breaches)("a ztunnel that %s is dropped", (_, breach) => {
  const { server, clock } = open();
  const ztunnel = new Ztunnel(server, false);
  breach(ztunnel, clock);
  expect(ztunnel.isClosed).toBe(true);
  expect(server.isSynced).toBe(false);
  expect(clock.pending).toBe(0);
});

test("connections beyond the limit are refused", () => {
  const { server } = open(1);
  expect(new Ztunnel(server).handlers).toBeDefined();
  expect(new Ztunnel(server).handlers).toBeUndefined();
});
