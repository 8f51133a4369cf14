/** The contract suites on a real Kubernetes API server: what they say of ours must be true of it. Needs its binary, which `scripts/peers.ts` builds. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import {
  hasKubeBinary,
  kubeBinary,
  type KubeApiserver,
  startKubeApiserver,
} from "../../support/kube-apiserver.ts";

const suites = [
  "apply",
  "definitions",
  "custom",
  "fixed",
  "kinds",
  "lists",
  "objects",
  "patches",
  "pods",
  "scale",
  "validation",
  "watch",
];
const minutesMs = 60_000;

let real: KubeApiserver | undefined;

if (!hasKubeBinary) {
  console.warn(`SKIPPED: the contract suites on a real Kubernetes API, for want of ${kubeBinary}`);
}

beforeAll(async () => {
  if (hasKubeBinary) real = await startKubeApiserver();
}, 3 * minutesMs);

afterAll(async () => {
  await real?.[Symbol.asyncDispose]();
});

test.skipIf(!hasKubeBinary)(
  "a real API server keeps the contract",
  async () => {
    if (real === undefined) throw new Error("the real API was not started");
    const files = suites.map((suite) => join(import.meta.dir, `${suite}.test.ts`));
    // Real namespaces take their time to go, and conflicts are tried again for some seconds.
    const run = Bun.spawn([process.execPath, "test", "--timeout", "60000", ...files], {
      env: {
        ...process.env,
        CONTRACT_API_URL: real.url,
        CONTRACT_API_TOKEN: real.token,
        CONTRACT_API_CA: real.caFile,
      },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err] = await Promise.all([run.stdout.text(), run.stderr.text()]);
    const failed = `${out}\n${err}`.split("\n").filter((line) => !line.startsWith("(pass)"));
    expect((await run.exited) === 0 ? "" : failed.join("\n").slice(-20_000)).toBe("");
  },
  5 * minutesMs,
);
