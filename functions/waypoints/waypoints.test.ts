import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import type { GatewayObject } from "#host/kube/known-resources.ts";
import { silentLog } from "#host/log.ts";
import { GenericPool } from "./generic-pool.ts";
import type { WaypointEnd, WaypointProcess, WaypointRole } from "./waypoint-port.ts";
import { Waypoints } from "./waypoints.ts";

class FakeProcess implements WaypointProcess {
  readonly pid: number;
  readonly ended: Promise<WaypointEnd>;
  readonly end: (end: WaypointEnd) => void;
  role: WaypointRole | undefined;
  isStopped = false;
  specialiseResult: Promise<void> = Promise.resolve();

  constructor(pid: number) {
    this.pid = pid;
    const ended = Promise.withResolvers<WaypointEnd>();
    this.ended = ended.promise;
    this.end = ended.resolve;
  }

  specialise(role: WaypointRole): Promise<void> {
    this.role = role;
    return this.specialiseResult;
  }

  stop(): Promise<void> {
    this.isStopped = true;
    this.end({ kind: "gone", reason: "stopped" });
    return Promise.resolve();
  }
}

class FakeListener {
  readonly address: string;
  readonly fd: number;
  isArmed = false;
  isClosed = false;
  readonly #onWaiting: () => void;

  constructor(address: string, fd: number, onWaiting: () => void) {
    this.address = address;
    this.fd = fd;
    this.#onWaiting = onWaiting;
  }

  arm(): void {
    this.isArmed = true;
  }

  disarm(): void {
    this.isArmed = false;
  }

  close(): void {
    this.isClosed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  connect(): void {
    if (!this.isArmed) return;
    this.isArmed = false;
    this.#onWaiting();
  }
}

function gateway(name: string, address: string | undefined, className = "lambient-waypoint"): GatewayObject {
  return {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "Gateway",
    metadata: { namespace: "shop", name, uid: name, resourceVersion: "1", creationTimestamp: "" },
    spec: { gatewayClassName: className, listeners: [] },
    ...(address === undefined ? {} : { status: { addresses: [{ value: address }] } }),
  };
}

function open() {
  const clock = new FakeClock();
  const processes: FakeProcess[] = [];
  const listeners: FakeListener[] = [];
  const behaviour = { bootFails: false, bindFails: false };
  const backoff = { firstMs: 100, mostMs: 1000 };
  const pool = new GenericPool({
    start: () => {
      if (behaviour.bootFails) return Promise.reject(new Error("no memory"));
      const made = new FakeProcess(processes.length + 1);
      processes.push(made);
      return Promise.resolve(made);
    },
    clock,
    log: silentLog,
    backoff,
    refillDelayMs: 50,
  });
  const waypoints = new Waypoints({
    take: () => pool.take(),
    openListener: (address, onWaiting) => {
      if (behaviour.bindFails) throw new Error("EADDRINUSE");
      const made = new FakeListener(address, 40 + listeners.length, onWaiting);
      listeners.push(made);
      return made;
    },
    ownerPid: 7,
    clock,
    log: silentLog,
    backoff,
    onWake: () => undefined,
  });
  pool.fill();
  return {
    clock,
    processes,
    listeners,
    behaviour,
    pool,
    waypoints,
    state: () => waypoints.report()[0]?.state,
  };
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

test("the first connection wakes a waypoint with the spare process, and another becomes the spare a little later", async () => {
  const { waypoints, listeners, processes, clock, state } = open();
  waypoints.onEvent({ type: "ADDED", object: gateway("waypoint", undefined) });
  expect(listeners).toEqual([]);
  waypoints.onEvent({ type: "MODIFIED", object: gateway("waypoint", "10.245.0.2") });
  expect([listeners[0]?.address, state()]).toEqual(["10.245.0.2", "asleep"]);
  listeners[0]?.connect();
  await settle();
  expect(state()).toBe("awake");
  expect(processes[0]?.role).toEqual({
    namespace: "shop",
    name: "waypoint",
    address: "10.245.0.2",
    listenerFd: 40,
    ownerPid: 7,
  });
  expect(processes.length).toBe(1);
  clock.advance(50);
  expect(processes.length).toBe(2);
});

test("one that falls asleep is woken again by the next connection, through the same listener", async () => {
  const { waypoints, listeners, processes, state } = open();
  waypoints.onEvent({ type: "ADDED", object: gateway("waypoint", "10.245.0.2") });
  listeners[0]?.connect();
  await settle();
  processes[0]?.end({ kind: "asleep" });
  await settle();
  expect([state(), listeners[0]?.isArmed]).toEqual(["asleep", true]);
  listeners[0]?.connect();
  await settle();
  expect([state(), processes[1]?.role?.listenerFd, listeners.length]).toEqual(["awake", 40, 1]);
});

test("one that crashes is woken after growing delays, its connections waiting", async () => {
  const { waypoints, listeners, processes, clock, state } = open();
  waypoints.onEvent({ type: "ADDED", object: gateway("waypoint", "10.245.0.2") });
  for (const delayMs of [100, 200, 400]) {
    listeners[0]?.connect();
    await settle();
    processes.at(-1)?.end({ kind: "gone", reason: "signal 11" });
    await settle();
    expect(state()).toBe("waiting");
    clock.advance(delayMs - 1);
    expect(listeners[0]?.isArmed).toBe(false);
    clock.advance(1);
    expect([state(), listeners[0]?.isArmed]).toEqual(["asleep", true]);
  }
});

test("one that does not take its role is ended and tried again", async () => {
  const { waypoints, listeners, processes, clock, state } = open();
  waypoints.onEvent({ type: "ADDED", object: gateway("waypoint", "10.245.0.2") });
  const refused = Promise.reject(new Error("no certificate"));
  refused.catch(() => undefined);
  if (processes[0] !== undefined) processes[0].specialiseResult = refused;
  listeners[0]?.connect();
  await settle();
  expect([processes[0]?.isStopped, state()]).toEqual([true, "waiting"]);
  clock.advance(100);
  listeners[0]?.connect();
  await settle();
  expect(state()).toBe("awake");
});

test("an address that cannot be bound is tried again", async () => {
  const { waypoints, listeners, behaviour, clock, state } = open();
  behaviour.bindFails = true;
  waypoints.onEvent({ type: "ADDED", object: gateway("waypoint", "10.245.0.2") });
  expect(state()).toBe("waiting");
  behaviour.bindFails = false;
  clock.advance(100);
  expect([state(), listeners.length]).toEqual(["asleep", 1]);
});

test("a new address moves the listener; a Gateway that is deleted, or of another class, has none", async () => {
  const { waypoints, listeners, processes } = open();
  waypoints.onEvent({ type: "ADDED", object: gateway("waypoint", "10.245.0.2") });
  waypoints.onEvent({ type: "ADDED", object: gateway("other", "10.0.0.1", "istio-waypoint") });
  listeners[0]?.connect();
  await settle();
  waypoints.onEvent({ type: "MODIFIED", object: gateway("waypoint", "10.245.0.3") });
  expect(listeners.map(({ address, isClosed }) => [address, isClosed])).toEqual([
    ["10.245.0.2", true],
    ["10.245.0.3", false],
  ]);
  expect(processes[0]?.isStopped).toBe(true);
  waypoints.onEvent({ type: "DELETED", object: gateway("waypoint", "10.245.0.3") });
  expect(waypoints.report()).toEqual([]);
  await waypoints.close();
});

test("a spare that dies or does not boot is replaced after a delay", async () => {
  const { processes, behaviour, clock, pool } = open();
  await settle();
  processes[0]?.end({ kind: "gone", reason: "exit code 1" });
  await settle();
  behaviour.bootFails = true;
  clock.advance(100);
  await settle();
  expect(processes.length).toBe(1);
  behaviour.bootFails = false;
  clock.advance(200);
  await settle();
  expect(processes.length).toBe(2);
  expect((await pool.take()).pid).toBe(2);
  clock.advance(50);
  await settle();
  await pool.close();
  expect(processes[2]?.isStopped).toBe(true);
  expect(clock.pending).toBe(0);
});
