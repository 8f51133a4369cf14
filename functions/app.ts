/** Builds the node runtime, top to bottom: the kernel, what it knows and runs, what it serves. */
import { join } from "node:path";
import { type Readiness, serveAdmin } from "#host/admin/admin-server.ts";
import { systemClock } from "#host/clock.ts";
import { openKubeClient } from "#host/kube/open-kube-client.ts";
import { openLog, type Log, type LogLevel } from "#host/log.ts";
import type { Config } from "./config.ts";
import { openEngine } from "./engine.ts";
import { followApi, type Following } from "./follow-api.ts";
import { nodeWork, reportInstances } from "./node-work.ts";
import { buildParts, type Parts } from "./parts.ts";
import { serveNode } from "./serve-node.ts";
import { openTokenVerifier } from "./tokens.ts";
import { servePackets } from "#host/zds/packet-socket.ts";

/** A running node runtime. */
export interface App {
  /** Ends everything in order; settles when nothing of it is left. */
  close(): Promise<void>;
}

/** Starts it. @throws MeshError or Error when the kernel, or the run directory, is not as it must be */
export async function openApp(config: Config): Promise<App> {
  const { runDir } = config;
  const clock = systemClock;
  const logging = { level: config.logLevel };
  const log = openProgramLog(config, logging);

  const engine = await openEngine(config.cgroup, clock);
  const api = openKubeClient({
    socketPath: join(runDir, "api.sock"),
    caFile: join(runDir, "ca.pem"),
    tokenFile: join(runDir, "tokens", "node-runtime"),
  });
  const parts = buildParts({ config, engine, api, clock, log });

  const { libc, poller } = engine;
  const zdsSocket = servePackets({ libc, poller, log, path: join(runDir, "zds.sock") }, (connection) =>
    parts.zds.accept(connection),
  );
  parts.slots.start();
  parts.generic.fill();
  const following = followApi(api, parts, log);
  const node = serveNode({
    path: join(runDir, "node.sock"),
    work: nodeWork(parts),
    tokens: openTokenVerifier(join(runDir, "token-key.pem")),
    log,
    onGone: (holder) => parts.instances.releaseAll(holder),
  });
  const admin = serveAdmin({
    socketPath: join(runDir, "admin", "node-runtime.sock"),
    metrics: parts.registry,
    readiness: () => readinessOf(parts, following),
    logging,
    configDump: () => dump(parts),
  });
  log.info("node runtime serves", { runDir, poolSize: config.poolSize });
  return {
    async close() {
      node.close();
      following.close();
      await parts.close();
      zdsSocket[Symbol.dispose]();
      await engine.close();
      admin.close();
      log.info("node runtime stopped");
    },
  };
}

function openProgramLog(config: Config, logging: { readonly level: LogLevel }): Log {
  return openLog({
    program: "node-runtime",
    format: config.logFormat,
    write: (line) => void process.stderr.write(line),
    nowMs: () => systemClock.nowMs(),
    get level() {
      return logging.level;
    },
  });
}

/** It can do its work once it knows what there is, and has a slot that ztunnel holds. */
function readinessOf(parts: Parts, following: Following): Readiness {
  const waitsFor = [...following.waitsFor];
  if (!parts.zds.isSynced) waitsFor.push("ztunnel");
  else if (parts.slots.open === 0) waitsFor.push("slots");
  return waitsFor.length === 0 ? { ready: true } : { ready: false, waitsFor };
}

/** What the program holds. */
function dump(parts: Parts): unknown {
  const instances = reportInstances(parts.instances);
  const schedules = parts.schedules.report();
  const slots = { ready: parts.slots.ready, open: parts.slots.open };
  const revisions = parts.revisions.report();
  const spareWaypoint = parts.generic.hasSpare;
  return { revisions, instances, schedules, slots, waypoints: parts.waypoints.report(), spareWaypoint };
}
