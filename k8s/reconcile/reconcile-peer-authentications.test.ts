import { expect, test } from "bun:test";
import type { Condition } from "#host/kube/known-resources.ts";
import type { PeerAuthenticationObject } from "../model/peer-authentication.ts";
import { mesh, peerAuthenticationObject } from "../../tests/support/kube-objects.ts";
import { indexMesh } from "../translate/mesh-index.ts";
import { reconcilePeerAuthentications } from "./reconcile-peer-authentications.ts";

const root = "lambient-system";
const now = "2026-06-01T00:00:00Z";
const selector = { matchLabels: { app: "web" } };
const strict = peerAuthenticationObject("strict", { mtls: { mode: "STRICT" } });

const statusesOf = (peerAuthentications: readonly PeerAuthenticationObject[]): Map<string, unknown> =>
  new Map(
    reconcilePeerAuthentications(indexMesh(mesh({ peerAuthentications })), now).flatMap((action) =>
      action.kind === "status" ? [[action.key.name, action.status]] : [],
    ),
  );

/** The one condition as `status reason: message`. */
function toldOf(name: string, all: readonly PeerAuthenticationObject[]): string {
  // Sound: it is what reconciliation writes.
  const { conditions } = statusesOf(all).get(name) as { conditions: readonly Condition[] };
  const [{ type, status, reason, message } = { type: "none", status: "", reason: "", message: "" }] =
    conditions;
  expect(type).toBe("ZtunnelAccepted");
  return `${status} ${reason}: ${message}`;
}

test.each<[string, readonly PeerAuthenticationObject[], RegExp]>([
  ["as it is", [strict], /^True Accepted/],
  [
    "with DISABLE",
    [peerAuthenticationObject("strict", { mtls: { mode: "DISABLE" } })],
    /^False UnsupportedValue: DISABLE is not supported/,
  ],
  [
    "with DISABLE at a port",
    [peerAuthenticationObject("strict", { selector, portLevelMtls: { 80: { mode: "DISABLE" } } })],
    /^False UnsupportedValue: DISABLE is not supported/,
  ],
  [
    "with a selector in the root namespace",
    [peerAuthenticationObject("strict", { selector }, { namespace: root })],
    /^False UnsupportedValue: a selector in the root namespace/,
  ],
  [
    "that came later than another of its level",
    [strict, peerAuthenticationObject("a", {}, { creationTimestamp: "2025-01-01T00:00:00Z" })],
    /^False UnsupportedValue: the older a holds/,
  ],
])("a PeerAuthentication %s is told so", (_name, all, want) => {
  expect(toldOf("strict", all)).toMatch(want);
});

test("a status that says so already is not written again", () => {
  const status = statusesOf([strict]).get("strict");
  expect(statusesOf([{ ...strict, status }]).size).toBe(0);
});
