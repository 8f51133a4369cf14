#!/usr/bin/env bun
/** The control plane's program: arguments, signals, exit code. What it does is in app.ts. */
import { errorText } from "#host/mesh-error.ts";
import { openApp } from "./app.ts";
import { readConfig } from "./config.ts";

const config = readConfig(process.argv.slice(2), process.env);
if (!config.ok) {
  process.stderr.write(`${config.error.join("\n")}\n`);
  process.exit(2);
}
try {
  const app = await openApp(config.value, (line) => void process.stderr.write(line));
  let isStopping = false;
  const stop = (): void => {
    if (isStopping) return;
    isStopping = true;
    // Nothing here waits for a peer; this is for what should never hang and does.
    setTimeout(() => process.exit(1), 5000).unref();
    app.close().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`Cannot stop the control plane whole: ${errorText(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
} catch (error) {
  process.stderr.write(`Cannot start the control plane: ${errorText(error)}\n`);
  process.exit(1);
}
