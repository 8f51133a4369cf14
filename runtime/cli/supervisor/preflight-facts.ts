/** Gathers what preflight.ts decides on: who we are, the kernel, cgroups, the data folder, the ports. Decides nothing. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findCgroupMounts } from "#host/linux/cgroup.ts";
import { readKernelFacts } from "#host/linux/kernel.ts";
import { errorText } from "#host/mesh-error.ts";
import type { MeshPaths } from "../mesh-paths.ts";
import type { MeshConfig } from "./mesh-config.ts";
import { findPortHolder } from "./port-holder.ts";
import type { MachineFacts, PlaceFacts, PortFact } from "./preflight.ts";

/** Looks at the machine. */
export function gatherMachineFacts(): MachineFacts {
  const isLinux = process.platform === "linux";
  return {
    platform: process.platform,
    architecture: process.arch,
    kernel: isLinux ? readKernelFacts() : undefined,
    cgroupMount: isLinux
      ? findCgroupMounts(readFileSync("/proc/self/mountinfo", "utf8"))?.unified
      : undefined,
  };
}

/** Looks at the folders and ports; makes the data folder when it is absent. */
export function gatherPlaceFacts(config: MeshConfig, paths: MeshPaths): PlaceFacts {
  const dataDirRefusal = tryDataDir(paths.dataDir);
  return {
    dataDir: paths.dataDir,
    dataVersionText: readIfThere(paths.dataVersionFile),
    dataDirHasContent: listIfThere(paths.dataDir).some((name) => name !== "lost+found"),
    dataDirRefusal,
    ports: [tryPort("--api-port", config.apiPort), tryPort("--edge-port", config.edgePort)],
  };
}

/** A page: a store that cannot write that much cannot begin. */
const probeBytes = 4096;

function tryDataDir(dataDir: string): string | undefined {
  const probe = join(dataDir, `.probe-${process.pid}`);
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    writeFileSync(probe, Buffer.alloc(probeBytes), { flush: true });
    return undefined;
  } catch (error) {
    return errorText(error);
  } finally {
    rmSync(probe, { force: true });
  }
}

function tryPort(flag: string, port: number): PortFact {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(true);
    return { flag, port, refusal: undefined, holder: undefined };
  } catch (error) {
    return { flag, port, refusal: errorText(error), holder: findPortHolder(port) };
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // a new folder, or the refusal above tells
  }
}

function listIfThere(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // the refusal above tells
  }
}
