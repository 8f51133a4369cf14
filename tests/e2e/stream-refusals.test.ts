/** What the API refuses of Pods' streams by itself, held against a real kube-apiserver: the same requests, the same answers. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type ControlPlane, startControlPlane } from "../support/control-plane.ts";
import { hasKubeBinary, type KubeApiserver, startKubeApiserver } from "../support/kube-apiserver.ts";
import { howToGetPeers } from "../support/kube-peers.ts";

interface Server {
  readonly url: string;
  readonly token: string;
}

const namespace = "/api/v1/namespaces/default";
const container = { image: "x" };
const pods = {
  placed: { nodeName: "node-0", containers: [{ name: "a", ...container }] },
  homeless: {
    initContainers: [{ name: "i", ...container }],
    containers: [
      { name: "a", ...container },
      { name: "b", ...container },
    ],
  },
};

/** Method and path below the Pods. */
const requests: [string, string][] = [
  ["GET", "nobody/log"],
  ["GET", "homeless/log"],
  ["GET", "homeless/log?container=none"],
  ["GET", "homeless/log?container=i"],
  ["GET", "homeless/log?container=a&follow=maybe"],
  ["GET", "homeless/log?container=a&tailLines=-1"],
  ["GET", "homeless/log?container=a&tailLines=x"],
  ["GET", "homeless/log?container=a&limitBytes=0"],
  ["GET", "homeless/log?container=a&sinceSeconds=0"],
  ["GET", "homeless/log?container=a&sinceSeconds=3&sinceTime=2026-01-01T00:00:00Z"],
  ["GET", "homeless/log?container=a&sinceTime=yesterday"],
  ["GET", "homeless/log?container=a&sinceTime=2026-01-01T00:00"],
  ["GET", "homeless/log?container=a&stream=Stdout"],
  ["GET", "nobody/exec?command=ls&stdout=1"],
  ["POST", "nobody/exec?command=ls&stdout=1"],
  ["POST", "homeless/exec?command=ls&stdout=1"],
  ["GET", "homeless/exec?command=ls&stdout=1&container=none"],
  ["POST", "homeless/exec?command=ls&stdout=1&container=a"],
  ["POST", "homeless/attach?stdout=1&container=a"],
  ["POST", "placed/attach?stdout=1&container=none"],
  ["POST", "homeless/portforward"],
  ["GET", "homeless/portforward"],
  ["POST", "placed/nothing"],
];

const name = hasKubeBinary ? "both servers" : `no kube-apiserver on this machine; ${howToGetPeers}`;
describe.skipIf(!hasKubeBinary)(name, () => {
  let real: KubeApiserver;
  let plane: ControlPlane;
  let servers: readonly [Server, Server];

  beforeAll(async () => {
    [real, plane] = await Promise.all([startKubeApiserver({ hasControllers: false }), startControlPlane()]);
    const port = /apiPort[^0-9]*(\d+)/.exec(plane.log())?.[1];
    const token = (await Bun.file(join(plane.runDir, "tokens/admin")).text()).trim();
    servers = [real, { url: `https://127.0.0.1:${port}`, token }];
    for (const server of servers) await makeObjects(server);
  }, 60_000);
  afterAll(async () => {
    await plane[Symbol.asyncDispose]();
    await real[Symbol.asyncDispose]();
  });

  test.each(requests)("%s %s", async (method, path) => {
    const [theirs, ours] = await Promise.all(
      servers.map((server) => ask(server, method, `${namespace}/pods/${path}`)),
    );
    expect(ours).toEqual(theirs ?? { status: 0, answer: undefined });
  });
});

async function makeObjects(server: Server): Promise<void> {
  const node = { apiVersion: "v1", kind: "Node", metadata: { name: "node-0" } };
  await ask(server, "POST", "/api/v1/nodes", node);
  // Nobody else makes it where no controllers run.
  await ask(server, "POST", `${namespace}/serviceaccounts`, { metadata: { name: "default" } });
  for (const [podName, spec] of Object.entries(pods)) {
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: podName }, spec };
    expect((await ask(server, "POST", `${namespace}/pods`, pod)).status).toBe(201);
  }
}

async function ask(
  server: Server,
  method: string,
  path: string,
  body?: object,
): Promise<{ readonly status: number; readonly answer: unknown }> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    tls: { rejectUnauthorized: false },
    keepalive: false,
  });
  const text = await response.text();
  return { status: response.status, answer: text.startsWith("{") ? JSON.parse(text) : text };
}
