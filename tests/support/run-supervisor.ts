/**
 * `lambient up` with other programs, and killed at a step when asked: for the supervisor's tests. It prints the steps and, once the run
 * folder is locked, `group` and the mesh's control group. Arguments: programs' folder, step or "-", flags as JSON.
 */
import { systemClock } from "#host/clock.ts";
import { silentLog } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import { cgroupPath } from "../../runtime/cli/supervisor/cgroup-path.ts";
import { parseMeshConfig } from "../../runtime/cli/supervisor/mesh-config.ts";
import { Supervisor } from "../../runtime/cli/supervisor/supervisor.ts";

const [programsRoot = "", killAt = "-", flags = "{}"] = process.argv.slice(2);
const config = parseMeshConfig(JSON.parse(flags) as Record<string, string>);
if (!config.ok) throw new Error(config.error.join("\n"));
const { runDir } = config.value;
const stop = Promise.withResolvers<void>();
const supervisor = new Supervisor({
  config: config.value,
  clock: systemClock,
  log: silentLog,
  env: Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      name.startsWith("LAMBIENT_") && value !== undefined ? [[name, value]] : [],
    ),
  ),
  programsRoot,
  onStep(step) {
    console.log(step);
    if (step === "sweep") console.log(`group ${cgroupPath(runDir)}`);
    if (step === killAt) process.kill(process.pid, "SIGKILL");
  },
  onStopAsked: stop.resolve,
});
process.on("SIGTERM", () => stop.resolve());
try {
  await supervisor.start();
} catch (error) {
  console.error(errorText(error));
  process.exit(1);
}
await stop.promise;
await supervisor.stop();
process.exit(0);
