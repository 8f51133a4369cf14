import { expect, test } from "bun:test";
import type { Authorization } from "#core/proto/istio/authorization_pb.js";
import type { NamespacedMeta } from "#host/kube/object.ts";
import type { PeerAuthenticationObject, PeerMode } from "../model/peer-authentication.ts";
import {
  mesh,
  peerAuthenticationObject,
  podObject,
  policyObject,
  settings,
} from "../../tests/support/kube-objects.ts";
import { MeshTranslator } from "./mesh-translator.ts";
import { keysForPod } from "./policy-keys.ts";

const root = "lambient-system";
const strict = `${root}/istio_converted_static_strict`;
const web = { namespace: "shop", labels: { app: "web" } };
const selector = { matchLabels: { app: "web" } };
const later = "2026-01-02T00:00:00Z";

/** `mode`, then `port=mode` for each port that has one. */
function peer(
  name: string,
  modes: string,
  more: Partial<NamespacedMeta> & { readonly selector?: typeof selector } = {},
): PeerAuthenticationObject {
  const [mode = "", ...ports] = modes.split(" ");
  const { selector: selects, ...meta } = more;
  const portLevelMtls = Object.fromEntries(
    ports.map((text) => [text.split("=")[0], { mode: text.split("=")[1] as PeerMode }]),
  );
  return peerAuthenticationObject(
    name,
    {
      ...(mode === "-" ? {} : { mtls: { mode: mode as PeerMode } }),
      ...(selects === undefined ? {} : { selector: selects }),
      ...(ports.length === 0 ? {} : { portLevelMtls }),
    },
    meta,
  );
}

const converted = "shop/converted_peer_authentication_own";

test.each<[string, readonly PeerAuthenticationObject[], readonly string[]]>([
  ["none", [], []],
  ["STRICT for the mesh", [peer("m", "STRICT", { namespace: root })], [strict]],
  ["PERMISSIVE for the mesh", [peer("m", "PERMISSIVE", { namespace: root })], []],
  ["STRICT for its namespace", [peer("n", "STRICT")], [strict]],
  ["STRICT for another namespace", [peer("n", "STRICT", { namespace: "other" })], []],
  [
    "its namespace's before the mesh's",
    [peer("m", "STRICT", { namespace: root }), peer("n", "PERMISSIVE")],
    [],
  ],
  ["DISABLE as PERMISSIVE", [peer("m", "STRICT", { namespace: root }), peer("n", "DISABLE")], []],
  ["UNSET as the mesh says", [peer("m", "STRICT", { namespace: root }), peer("n", "UNSET")], [strict]],
  ["no mode as the mesh says", [peer("m", "STRICT", { namespace: root }), peer("n", "-")], [strict]],
  [
    "its own before its namespace's",
    [peer("n", "PERMISSIVE"), peer("own", "STRICT", { selector })],
    [strict],
  ],
  ["its own PERMISSIVE", [peer("n", "STRICT"), peer("own", "PERMISSIVE", { selector })], []],
  ["a selector of the root's", [peer("own", "STRICT", { selector, namespace: root })], []],
  ["another's", [peer("own", "STRICT", { selector: { matchLabels: { app: "cart" } } })], []],
  [
    "the older of two",
    [peer("b", "PERMISSIVE", { creationTimestamp: later }), peer("a", "STRICT")],
    [strict],
  ],
  [
    "the older of two with selectors",
    [peer("x", "STRICT", { selector, creationTimestamp: later }), peer("own", "PERMISSIVE", { selector })],
    [],
  ],
  ["ports that say the same", [peer("own", "STRICT 80=STRICT", { selector })], [strict]],
  ["a port that is let in", [peer("own", "STRICT 80=PERMISSIVE 81=UNSET", { selector })], [converted]],
  ["a port that is not", [peer("own", "PERMISSIVE 80=STRICT", { selector })], [converted]],
  [
    "ports under no mode of its own",
    [peer("n", "STRICT"), peer("own", "- 80=DISABLE", { selector })],
    [converted],
  ],
])("a Pod's keys with %s", (_name, peerAuthentications, want) => {
  expect(keysForPod({ policies: [], peerAuthentications, settings }, web)).toEqual([...want]);
});

test("a Pod's keys name every policy that holds, by selector, of its namespace, of the mesh", () => {
  const policies = [
    policyObject("by-label", { selector }),
    policyObject("another", { selector: { matchLabels: { app: "cart" } } }),
    policyObject("namespace", {}),
    policyObject("mesh", {}, root),
    policyObject("waypoint", { targetRefs: [{ kind: "Service", name: "web" }] }),
  ];
  const peerAuthentications = [peer("n", "STRICT")];
  expect(keysForPod({ policies, peerAuthentications, settings }, web)).toEqual([
    strict,
    `${root}/mesh`,
    "shop/by-label",
    "shop/namespace",
  ]);
});

/** The ports at which plain connections are denied: all, some, or all but some. */
function deniedAt(policy: Authorization | undefined): string {
  const match = policy?.groups[0]?.rules[0]?.matches[0];
  if (match?.notPrincipals[0]?.matchType.case !== "presence") return "nobody";
  const { destinationPorts, notDestinationPorts } = match;
  if (destinationPorts.length > 0) return destinationPorts.join(",");
  return notDestinationPorts.length === 0 ? "all" : `all but ${notDestinationPorts.join(",")}`;
}

test.each<[string, string, string]>([
  ["STRICT 81=PERMISSIVE 80=DISABLE", "-", "all but 80,81"],
  ["PERMISSIVE 80=STRICT 81=PERMISSIVE", "-", "80"],
  ["- 80=PERMISSIVE", "STRICT", "all but 80"],
  ["- 80=STRICT", "-", "80"],
  ["UNSET 80=STRICT 81=DISABLE", "STRICT", "all but 81"],
])("ports of %s under %s are a policy", (modes, ofNamespace, want) => {
  const peerAuthentications = [peer("own", modes, { selector }), peer("n", ofNamespace)];
  const { policies, addresses } = new MeshTranslator().translate(
    mesh({
      peerAuthentications,
      pods: [podObject("web-1", "10.244.0.130", { metadata: { labels: { app: "web" } } })],
    }),
  );
  expect(policies.get(converted)).toMatchObject({ namespace: "shop", action: 1, scope: 2 });
  expect(deniedAt(policies.get(converted))).toBe(want);
  expect(addresses.get("Kubernetes//Pod/shop/web-1")?.type.value).toMatchObject({
    authorizationPolicies: [converted],
  });
});

test("the policy that denies every plain connection is there as long as there are PeerAuthentications", () => {
  const translator = new MeshTranslator();
  const { policies } = translator.translate(mesh({ peerAuthentications: [peer("n", "PERMISSIVE")] }));
  expect([...policies.keys()]).toEqual([strict]);
  expect(deniedAt(policies.get(strict))).toBe("all");
  expect(translator.translate(mesh({})).policies.size).toBe(0);
});
