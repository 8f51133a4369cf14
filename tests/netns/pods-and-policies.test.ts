/** Pods in the API of a real control plane, served by a real ztunnel: what is written of Pods, Services and policies is what connections meet. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { warmUp } from "#host/linux/namespaces.ts";
import { authorizationPolicyResource } from "../../k8s/model/authorization-policy.ts";
import {
  type PeerAuthenticationObject,
  peerAuthenticationResource,
} from "../../k8s/model/peer-authentication.ts";
import type { BarePod } from "../support/captured-pod.ts";
import { converseFrom, untilRefused } from "../support/conversation.ts";
import { type PodMesh, startPodMesh } from "../support/pod-mesh.ts";
import { waitUntil } from "../support/wait-until.ts";

setDefaultTimeout(30_000);

let libc: Libc;
let mesh: PodMesh;
let web: BarePod;
let cart: BarePod;
let plain: BarePod;
let service: string;

beforeAll(async () => {
  libc = openLibc();
  await warmUp();
  mesh = await startPodMesh(libc);
  [web, cart, plain] = [
    await mesh.addPod("web", "10.244.0.130"),
    await mesh.addPod("cart", "10.244.0.131"),
    await mesh.addPod("plain", "10.244.0.132"),
  ];
  service = await mesh.addService("cart");
  for (const pod of [web, cart]) await mesh.enrol(pod);
  await untilTunnelled();
});

afterAll(async () => {
  await mesh[Symbol.asyncDispose]();
  closeLibc(libc);
});

async function say(from: BarePod, address: string, port: number, text: string): Promise<string> {
  const talk = await converseFrom(libc, from.namespace.fd, address, port);
  const heard = await talk.say(text);
  talk.stream.reset();
  return heard;
}

/** Discovery tells of the annotations a moment after they are written. */
async function untilTunnelled(): Promise<void> {
  await waitUntil("a connection is a tunnel's", async () => {
    const from = mesh.lines.length;
    expect(await say(web, service, 80, "hello")).toBe("hello");
    const line = await waitUntil("it leaves its line", () =>
      mesh.lines.slice(from).find((text) => /src.workload="web".*direction="outbound"/.test(text)),
    );
    return line.includes("dst.hbone_addr=10.244.0.131:8080");
  });
}

test("two Pods that entered the mesh are under mutual TLS, by a Service with a named port", async () => {
  const from = mesh.lines.length;
  await untilTunnelled();
  expect(mesh.seen.at(-1)).toBe("cart 10.244.0.130");
  const inbound = await waitUntil("the other side leaves its line", () =>
    mesh.lines.slice(from).find((text) => /src.workload="web".*direction="inbound"/.test(text)),
  );
  expect(inbound).toContain(
    'src.workload="web" src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/web"',
  );
  expect(inbound).toContain('dst.workload="cart"');
});

const strict = {
  metadata: { namespace: "shop", name: "default" },
  spec: { mtls: { mode: "STRICT" as const } },
};

test("STRICT refuses plain connections from its status on; PERMISSIVE lets them in again", async () => {
  expect(await say(plain, cart.address, 8080, "in plain")).toBe("in plain");
  const live = await converseFrom(libc, plain.namespace.fd, cart.address, 8080);
  expect(await live.say("before")).toBe("before");
  await mesh.kube.create(peerAuthenticationResource, strict);
  await untilAccepted("True");
  await untilRefused(libc, plain.namespace.fd, cart.address, 8080);
  await live.over();
  expect(await say(web, cart.address, 8080, "by a tunnel")).toBe("by a tunnel");
  const spec = { mtls: { mode: "PERMISSIVE" } };
  await mesh.kube.patch(peerAuthenticationResource, strict.metadata, { kind: "merge", value: { spec } });
  await waitUntil(
    "plain connections are let in",
    async () => (await say(plain, cart.address, 8080, "again")) === "again",
  );
  await mesh.kube.delete(peerAuthenticationResource, strict.metadata);
});

async function untilAccepted(wanted: string): Promise<void> {
  await waitUntil("the status says so", async () => {
    const { status } = await mesh.kube.get(peerAuthenticationResource, strict.metadata);
    const { conditions = [] } = (status ?? {}) as Pick<PeerAuthenticationObject, "status"> & {
      readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    };
    return conditions.some((each) => each.type === "ZtunnelAccepted" && each.status === wanted);
  });
}

test("a policy that selects Pods by label holds for them, and cuts what it no longer allows", async () => {
  const live = await converseFrom(libc, web.namespace.fd, service, 80);
  expect(await live.say("before")).toBe("before");
  const metadata = { namespace: "shop", name: "deny-web" };
  await mesh.kube.create(authorizationPolicyResource, {
    metadata,
    spec: {
      selector: { matchLabels: { app: "cart" } },
      action: "DENY",
      rules: [
        { from: [{ source: { serviceAccounts: ["shop/web"] } }], to: [{ operation: { ports: ["8080"] } }] },
      ],
    },
  });
  await live.over();
  await untilRefused(libc, web.namespace.fd, service, 80);
  expect(await say(plain, cart.address, 8080, "not meant")).toBe("not meant");
  await mesh.kube.delete(authorizationPolicyResource, metadata);
  await waitUntil("it is let in again", async () => (await say(web, service, 80, "back")) === "back");
});
