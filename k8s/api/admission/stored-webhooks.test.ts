/** Webhooks that are configured stay in force after a restart, for who writes in-process as well, and end with their configuration. */
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "#host/clock.ts";
import { silentLog } from "#host/log.ts";
import { configMapResource } from "../../model/core-objects.ts";
import type { Api } from "../api.ts";
import { openApi } from "../open-api.ts";

const admin = { name: "admin", groups: ["system:masters"] };
const configurations = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function open(folder: string): Api {
  const dataFile = join(folder, "store.db");
  return openApi({ dataFile, clock: systemClock, random: Math.random, log: silentLog });
}

async function ask(api: Api, method: string, path: string, body?: object): Promise<number> {
  const headers = { "content-type": "application/json" };
  const more = body === undefined ? {} : { body: JSON.stringify(body) };
  return (await api.handle(new Request(`https://api${path}`, { method, headers, ...more }), admin)).status;
}

async function write(api: Api, name: string): Promise<string> {
  try {
    await api.client.create(configMapResource, { metadata: { namespace: "default", name } });
    return "taken";
  } catch (error) {
    return String(error);
  }
}

test("a webhook outlives a restart, and not its configuration", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lambient-webhooks-"));
  folders.push(folder);
  const first = open(folder);
  const webhook = {
    name: "nobody.hooks.test",
    clientConfig: { service: { namespace: "default", name: "nobody", path: "/ask", port: 8443 } },
    rules: [{ operations: ["CREATE"], apiGroups: [""], apiVersions: ["v1"], resources: ["configmaps"] }],
    sideEffects: "None",
    admissionReviewVersions: ["v1"],
  };
  expect(await ask(first, "POST", configurations, { metadata: { name: "h" }, webhooks: [webhook] })).toBe(
    201,
  );
  first.close();
  const second = open(folder);
  expect(await write(second, "a")).toContain(
    'failed calling webhook "nobody.hooks.test": failed to call webhook: Post "https://nobody.default.svc:8443/ask?timeout=10s": service "nobody" in namespace "default" cannot be reached',
  );
  expect(await ask(second, "DELETE", `${configurations}/h`)).toBe(200);
  expect(await write(second, "a")).toBe("taken");
  second.close();
});
