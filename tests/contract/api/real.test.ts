/** The contract suites on a real Kubernetes API server, and the same objects sent to it and to ours: what is said of ours must be true of it. Needs its binary, which `scripts/peers.ts` builds. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Answer, connectTo, openEmbedded } from "./api-under-test.ts";
import { type Sample, samples } from "./sample-objects.ts";
import { openScene, patchTypes, type Scene, until } from "./scene.ts";
import {
  hasKubeBinary,
  kubeBinary,
  type KubeApiserver,
  startKubeApiserver,
} from "../../support/kube-apiserver.ts";

const suites = [
  "apply",
  "authorization",
  "definition-life",
  "definitions",
  "custom",
  "fixed",
  "garbage",
  "kinds",
  "lists",
  "objects",
  "patches",
  "rules",
  "webhooks",
  "pods",
  "scale",
  "schemas",
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
    const run = Bun.spawn([process.execPath, "test", "--timeout", "120000", ...files], {
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

/** What differs from server to server, and from one answer to the next. */
const own = new Set([
  "uid",
  "resourceVersion",
  "creationTimestamp",
  "time",
  "clusterIP",
  "clusterIPs",
  "namespace",
]);
const uidForm = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value === "string") return value.replaceAll(uidForm, "uid");
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).map(([name, field]) => [
    name.replaceAll(uidForm, "uid"),
    own.has(name) && !(name === "clusterIP" && field === "None") ? "own" : comparable(field),
  ]);
  return Object.fromEntries(fields);
}

test.skipIf(!hasKubeBinary)(
  "both answer the same objects with the same defaults and the same owners",
  async () => {
    if (real === undefined) throw new Error("the real API was not started");
    const { url, token, caFile } = real;
    await using theirs = await openScene(
      "parity",
      connectTo({ url, token, ca: readFileSync(caFile, "utf8") }),
    );
    await using ours = await openScene("parity", openEmbedded());
    for (const scene of [ours, theirs]) {
      await until(async () => {
        const account = await scene.api.ask("GET", `${scene.path("serviceaccounts")}/default`);
        return account.status === 200 ? true : undefined;
      });
    }
    for (const sample of samples(crypto.randomUUID().slice(0, 8))) {
      for (const way of ["create", "apply"] as const) {
        const [mine, others] = [await send(ours, sample, way), await send(theirs, sample, way)];
        expect([sample.resource, way, mine.status, comparable(mine.body)]).toEqual([
          sample.resource,
          way,
          others.status,
          comparable(others.body),
        ]);
      }
    }
  },
  minutesMs,
);

async function send(scene: Scene, sample: Sample, way: "create" | "apply"): Promise<Answer> {
  const { resource, groupVersion, object } = sample;
  const root = groupVersion === undefined ? "/api/v1" : `/apis/${groupVersion}`;
  const path = sample.isClusterWide ? `${root}/${resource}` : scene.path(resource, groupVersion);
  const query = "fieldManager=parity&dryRun=All";
  if (way === "create") return scene.api.ask("POST", `${path}?${query}`, object);
  const { name } = object.metadata as { readonly name: string };
  return scene.api.ask("PATCH", `${path}/${name}?${query}`, object, patchTypes.apply);
}
