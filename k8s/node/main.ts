/** The node's program: arguments, signals, exit code. What it does is in app.ts. */
import { errorText } from "#host/mesh-error.ts";
import { openApp } from "./app.ts";
import { parseConfig } from "./config.ts";

/** From being asked to end to ending anyway; Pods run on in any case. */
const stopDeadlineMs = 5000;

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
        process.stderr.write(`Cannot stop the node's program whole: ${errorText(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
} catch (error) {
  process.stderr.write(`Cannot start the node's program: ${errorText(error)}\n`);
  process.exit(1);
}
