/** The engine's slots keep the contract of activation, with ZDS over real packets. */
import { afterAll, beforeAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCidr } from "#core/address/ip.ts";
import { systemClock as clock } from "#host/clock.ts";
import { silentLog as log } from "#host/log.ts";
import { defaultPoolOptions } from "#isolate/pool.ts";
import { EngineSlots } from "../../functions/engine-slots.ts";
import { servePackets } from "#host/zds/packet-socket.ts";
import { ZdsServer } from "../../functions/zds/zds-server.ts";
import { slotSourceContract } from "../contract/slot-source.ts";
import { openScriptedZtunnel, type ScriptedZtunnel } from "../support/scripted-ztunnel.ts";
import { openTestSlots, type TestSlots, testNameserver } from "./support/slots.ts";

interface Opened {
  readonly dir: string;
  readonly tools: TestSlots;
  readonly zds: ZdsServer;
  readonly socket: Disposable;
  readonly ztunnel: ScriptedZtunnel;
  readonly slots: EngineSlots;
}

let opened: Opened;

beforeAll(async () => {
  const dir = mkdtempSync(join(tmpdir(), "es-"));
  const tools = await openTestSlots();
  const { libc, poller } = tools.host;
  const zds = new ZdsServer({ clock, log, deadlineMs: 5000, connectionsMax: 2 });
  const path = join(dir, "zds.sock");
  const socket = servePackets({ libc, poller, log, path }, (connection) => zds.accept(connection));
  const ztunnel = openScriptedZtunnel(libc, poller, path);
  const range = parseCidr("10.244.0.0/25");
  if (!range.ok) throw new Error(range.error);
  const slots = new EngineSlots({
    host: tools.host,
    pool: { ...defaultPoolOptions, size: 2, range: range.value, nameserver: testNameserver },
    zds,
    clock,
    log,
    graceMs: 1000,
    onLine() {},
    onSpan() {},
  });
  slots.start();
  opened = { dir, tools, zds, socket, ztunnel, slots };
}, 30_000);

afterAll(async () => {
  opened.zds.close();
  await opened.slots.close();
  opened.ztunnel.close();
  opened.socket[Symbol.dispose]();
  await opened.tools[Symbol.asyncDispose]();
  rmSync(opened.dir, { recursive: true });
}, 30_000);

slotSourceContract("EngineSlots", () => opened.slots);
