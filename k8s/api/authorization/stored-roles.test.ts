/** What is brought about when the API opens, and what stored objects tell of what programs may read. */
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "#host/clock.ts";
import { silentLog } from "#host/log.ts";
import type { Api, User } from "../api.ts";
import { openApi } from "../open-api.ts";

const admin: User = { name: "admin", groups: ["system:masters"] };
const node: User = { name: "system:lambient:node", groups: ["system:nodes"] };
const rbac = "/apis/rbac.authorization.k8s.io/v1";

/** What of an answer is read here. */
interface Answer {
  readonly rules?: readonly unknown[];
  readonly subjects?: readonly unknown[];
}

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function open(folder: string): Api {
  const dataFile = join(folder, "store.db");
  return openApi({ dataFile, clock: systemClock, random: Math.random, log: silentLog });
}

async function ask(
  ...[api, as, method, path, body]: [Api, User, string, string, object?]
): Promise<readonly [number, Answer]> {
  const headers = {
    "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json",
  };
  const more = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await api.handle(new Request(`https://api${path}`, { method, headers, ...more }), as);
  return [response.status, (await response.json()) as Answer];
}

test("roles get back what they lost, unless they are to be left alone", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lambient-roles-"));
  folders.push(folder);
  const first = open(folder);
  await ask(first, admin, "PATCH", `${rbac}/clusterroles/system:basic-user`, { rules: [] });
  await ask(first, admin, "PATCH", `${rbac}/clusterroles/system:discovery`, {
    metadata: { annotations: { "rbac.authorization.kubernetes.io/autoupdate": "false" } },
    rules: [],
  });
  await ask(first, admin, "PATCH", `${rbac}/clusterrolebindings/system:basic-user`, { subjects: [] });
  await ask(first, admin, "DELETE", `${rbac}/clusterroles/view`);
  first.close();
  const second = open(folder);
  const read = async (path: string): Promise<Answer> =>
    (await ask(second, admin, "GET", `${rbac}/${path}`))[1];
  expect((await read("clusterroles/system:basic-user")).rules).toHaveLength(2);
  expect((await read("clusterroles/system:discovery")).rules ?? []).toEqual([]);
  expect((await read("clusterrolebindings/system:basic-user")).subjects).toHaveLength(1);
  expect((await read("clusterroles/view")).rules?.length).toBeGreaterThan(5);
  second.close();
});

function pod(name: string, nodeName: string | undefined): object {
  return {
    metadata: { name },
    spec: {
      ...(nodeName === undefined ? {} : { nodeName }),
      containers: [
        {
          name: "c",
          image: "x",
          env: [{ name: "A", valueFrom: { secretKeyRef: { name: `env-${name}`, key: "k" } } }],
          envFrom: [{ configMapRef: { name: `from-${name}` } }],
        },
      ],
      volumes: [
        { name: "s", secret: { secretName: `volume-${name}` } },
        {
          name: "p",
          projected: {
            sources: [{ secret: { name: `projected-${name}` } }, { configMap: { name: `map-${name}` } }],
          },
        },
      ],
    },
  };
}

test("a node reads what its Pods name, and nothing else", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lambient-roles-"));
  folders.push(folder);
  const api = open(folder);
  const core = "/api/v1/namespaces/default";
  expect((await ask(api, admin, "POST", `${core}/pods`, pod("bound", "node-0")))[0]).toBe(201);
  expect((await ask(api, admin, "POST", `${core}/pods`, pod("free", undefined)))[0]).toBe(201);
  const statuses = async (name: string): Promise<readonly number[]> => {
    const paths = ["secrets/env", "configmaps/from", "secrets/volume", "secrets/projected", "configmaps/map"];
    return Promise.all(
      paths.map(async (path) => (await ask(api, node, "GET", `${core}/${path}-${name}`))[0]),
    );
  };
  // What may be read and is not there is not found.
  expect(await statuses("bound")).toEqual([404, 404, 404, 404, 404]);
  expect(await statuses("free")).toEqual([403, 403, 403, 403, 403]);
  const status = { status: { message: "hello" } };
  expect((await ask(api, node, "PATCH", `${core}/pods/bound/status`, status))[0]).toBe(200);
  expect((await ask(api, node, "PATCH", `${core}/pods/free/status`, status))[0]).toBe(403);
  api.close();
});
