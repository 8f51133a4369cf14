/** The node runtime's program: arguments, signals, exit code. What it does is in app.ts. */
import { errorText } from "#host/mesh-error.ts";
import { openApp } from "./app.ts";
import { parseConfig } from "./config.ts";

/** From being asked to end to ending anyway; what is left then is in a control group that the supervisor clears. */
const stopDeadlineMs = 20_000;

const config = parseConfig(process.argv.slice(2), process.env);
if (!config.ok) {
  process.stderr.write(`${config.error.join("\n")}\n`);
  process.exit(2);
}
try {
  const app = await openApp(config.value);
  let isStopping = false;
  const stop = (): void => {
    if (isStopping) return;
    isStopping = true;
    setTimeout(() => process.exit(1), stopDeadlineMs).unref();
    app.close().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`Cannot stop the node runtime whole: ${errorText(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
} catch (error) {
  process.stderr.write(`Cannot start the node runtime: ${errorText(error)}\n`);
  process.exit(1);
}
