/** `lambient down`: asks the supervisor to end the mesh and waits until it is gone. */
import { systemClock } from "#host/clock.ts";
import { openLibc } from "#host/linux/libc.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { Console } from "./console.ts";
import { meshPaths } from "./mesh-paths.ts";
import { type OutputFormat, printResult } from "./output.ts";
import { askSupervisor } from "./supervisor-client.ts";
import { isLocked, readLockPid } from "./supervisor/lock.ts";
import { endOrphans, hasOrphans } from "./supervisor/orphans.ts";

const askEveryMs = 20;

/** The command's flags. */
export interface DownOptions {
  readonly runDir: string;
  readonly format: OutputFormat;
  /** How long the end may take. */
  readonly timeoutMs: number;
}

/** Runs the command. @throws MeshError `unavailable` when no mesh runs, `timeout` when it does not end. */
export async function down(console: Console, { runDir, format, timeoutMs }: DownOptions): Promise<void> {
  const paths = meshPaths(runDir, "/");
  const pid = readLockPid(paths.lock);
  const libc = openLibc();
  const report = (supervisor: "stopped" | "was killed"): void => {
    console.err("Stopped: nothing of the mesh is left\n");
    printResult(console, format, { run: runDir, supervisor }, () => "");
  };
  if (hasOrphans(libc, paths)) {
    console.err("The supervisor was killed: ending the programs that it left\n");
    await endOrphans(libc, paths);
    return report("was killed");
  }
  await askSupervisor(paths, "stop");
  const deadline = systemClock.monotonicMs() + timeoutMs;
  while (isLocked(libc, paths.lock)) {
    if (systemClock.monotonicMs() > deadline) {
      throw new MeshError(
        "timeout",
        `Cannot end the mesh at ${runDir} within ${timeoutMs} ms: process ${pid ?? "?"} still holds ${paths.lock}; look into its logs`,
      );
    }
    await Bun.sleep(askEveryMs);
  }
  report("stopped");
}
