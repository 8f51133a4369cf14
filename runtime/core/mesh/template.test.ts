import { expect, test } from "bun:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  Egress_Mode,
  type RevisionTemplate,
  RevisionTemplateSchema,
} from "#core/proto/lambient/discovery_pb.js";
import { parseSpiffeId, type SpiffeId } from "../identity/spiffe-id.ts";
import { parseEgressRules } from "./egress-rules.ts";
import { readTemplate } from "./template.ts";

function spiffe(text: string): SpiffeId {
  const parsed = parseSpiffeId(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

function message(part: MessageInitShape<typeof RevisionTemplateSchema> = {}): RevisionTemplate {
  return create(RevisionTemplateSchema, {
    namespace: "shop",
    function: "cart",
    revision: "cart-v1",
    serviceAccount: "cart",
    port: 8080,
    service: "shop/cart.shop.svc.cluster.local",
    authorizationPolicies: ["shop/deny"],
    ...part,
  });
}

test("readTemplate() reads what a node needs, with what is not said at its default", () => {
  expect(readTemplate(message())).toEqual({
    ok: true,
    value: {
      key: "shop/cart-v1",
      namespace: "shop",
      function: "cart",
      revision: "cart-v1",
      identity: spiffe("spiffe://cluster.local/ns/shop/sa/cart"),
      port: 8080,
      service: "shop/cart.shop.svc.cluster.local",
      policies: ["shop/deny"],
      waypointIdentity: undefined,
      egress: { kind: "any" },
    },
  });
});

test("readTemplate() takes trust domain, waypoint and a list of destinations", () => {
  const waypoint = "spiffe://td.example/ns/shop/sa/waypoint";
  const rules = parseEgressRules(["*.example.com:443"]);
  const read = readTemplate(
    message({
      trustDomain: "td.example",
      waypointIdentity: waypoint,
      egress: { mode: Egress_Mode.LIST, hosts: ["*.example.com:443"] },
    }),
  );
  expect(read).toMatchObject({
    ok: true,
    value: {
      identity: "spiffe://td.example/ns/shop/sa/cart",
      waypointIdentity: waypoint,
      egress: rules.ok ? rules.value : undefined,
    },
  });
});

test("an empty list lets nothing out", () => {
  const read = readTemplate(message({ egress: { mode: Egress_Mode.LIST, hosts: [] } }));
  expect(read).toMatchObject({ ok: true, value: { egress: { kind: "list", rules: [] } } });
});

test.each([
  ["a namespace that is none", { namespace: "a/b" }],
  ["no service account", { serviceAccount: "" }],
  ["a waypoint that is no identity", { waypointIdentity: "https://x" }],
  ["a destination that is none", { egress: { mode: Egress_Mode.LIST, hosts: ["a b"] } }],
])("readTemplate() refuses %s", (_, part) => {
  const read = readTemplate(message(part));
  expect(read).toEqual({ ok: false, error: expect.stringMatching(/^Cannot read template .*: Cannot /) });
});
