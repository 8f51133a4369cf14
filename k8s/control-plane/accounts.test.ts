/** Service accounts at the control plane's door: their tokens open the API and nothing else, and outlive a restart. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ControlPlane, startControlPlane } from "../../tests/support/control-plane.ts";
import { waitUntil } from "../../tests/support/wait-until.ts";

const whoami = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function ask(
  plane: ControlPlane,
  who: string | undefined,
  path: string,
  body?: object,
): Promise<Answer> {
  const headers = { "content-type": "application/json" };
  const init = body === undefined ? {} : { method: "POST", headers, body: JSON.stringify(body) };
  const response = await plane.fetch(who, path, init);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

function part(value: unknown, name: string): unknown {
  return (value as Readonly<Record<string, unknown>> | undefined)?.[name];
}

async function nameOf(plane: ControlPlane, who: string | undefined): Promise<unknown> {
  const { status, body } = await ask(plane, who, whoami, {});
  return status === 201 ? part(part(body["status"], "userInfo"), "username") : status;
}

async function tokenOf(plane: ControlPlane): Promise<string> {
  const path = "/api/v1/namespaces/default/serviceaccounts/default/token";
  const { body } = await ask(plane, "admin", path, { spec: {} });
  return String(part(body["status"], "token"));
}

test("a token of an account opens the API as that account, also after a restart, and no other door", async () => {
  await using plane = await startControlPlane();
  const token = await tokenOf(plane);
  const account = "system:serviceaccount:default:default";
  expect(await nameOf(plane, token)).toBe(account);
  expect(await nameOf(plane, undefined)).toBe(401);
  expect(await nameOf(plane, `${token}x`)).toBe(401);
  expect((await ask(plane, token, "/api/v1/namespaces/default/pods")).status).toBe(403);
  for (const path of ["/bundles/sha256:00", "/traces", "/lambient/v1/instances"]) {
    expect((await ask(plane, token, path)).status).toBe(401);
  }
  const review = await ask(plane, "admin", "/apis/authentication.k8s.io/v1/tokenreviews", {
    spec: { token },
  });
  expect(part(part(review.body["status"], "user"), "username")).toBe(account);
  await plane.stop("SIGKILL");
  await plane.start();
  expect(await nameOf(plane, token)).toBe(account);
});

test("programs are users of their own, and their tokens are known to reviews", async () => {
  await using plane = await startControlPlane();
  expect(await nameOf(plane, "admin")).toBe("system:lambient:admin");
  expect(await nameOf(plane, "ztunnel")).toBe(403);
  const token = readFileSync(join(plane.runDir, "tokens", "ztunnel"), "utf8");
  const review = await ask(plane, "admin", "/apis/authentication.k8s.io/v1/tokenreviews", {
    spec: { token },
  });
  expect(review.body["status"]).toMatchObject({
    authenticated: true,
    user: { username: "system:lambient:ztunnel", groups: ["system:authenticated"] },
  });
});

test("every namespace has what verifies the API", async () => {
  await using plane = await startControlPlane();
  const path = "/api/v1/namespaces/default/configmaps/kube-root-ca.crt";
  const map = await waitUntil("it is published", async () => {
    const answer = await ask(plane, "admin", path);
    return answer.status === 200 ? answer.body : undefined;
  });
  expect(part(map["data"], "ca.crt")).toBe(readFileSync(join(plane.runDir, "ca.pem"), "utf8"));
});
