#!/usr/bin/env bun
/** ztunnel's program: arguments, signals, exit code. What it does is in app.ts. */
import { readFileSync, write } from "node:fs";
import { errorText } from "#host/mesh-error.ts";
import { openApp } from "./app.ts";
import { readConfig } from "./config.ts";

const config = readConfig(process.argv.slice(2), process.env);
if (!config.ok) {
  process.stderr.write(`${config.error.join("\n")}\n`);
  process.exit(2);
}
const starting = openApp(config.value, readVersion(), writeOut);
let isStopping = false;
// Asked to end while it still starts, it ends as soon as it has.
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    if (isStopping) return;
    isStopping = true;
    // The drain has a deadline of its own; this one is for what should never hang and does.
    setTimeout(() => process.exit(1), config.value.drainMs + 5000).unref();
    void stop();
  });
}
try {
  await starting;
} catch (error) {
  process.stderr.write(`Cannot start ztunnel: ${errorText(error)}\n`);
  process.exit(1);
}

async function stop(): Promise<void> {
  try {
    const app = await starting;
    await app.close();
    process.exit(0);
  } catch (error) {
    process.stderr.write(`Cannot stop ztunnel whole: ${errorText(error)}\n`);
    process.exit(1);
  }
}

/** Writes to standard output without holding up the thread that carries connections. */
function writeOut(text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const bytes = Buffer.from(text);
  const next = (at: number): void => {
    write(1, bytes, at, bytes.length - at, null, (error, taken) => {
      if (error !== null) reject(error);
      else if (at + taken < bytes.length) next(at + taken);
      else resolve();
    });
  };
  next(0);
  return promise;
}

function readVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(text) as { readonly version?: string };
  return version ?? "unknown";
}
