import { expect, test } from "bun:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { DeltaDiscoveryRequestSchema, type DeltaDiscoveryResponse } from "#core/proto/envoy/discovery_pb.js";
import { AuthorizationSchema } from "#core/proto/istio/authorization_pb.js";
import { RevisionTemplateSchema } from "#core/proto/lambient/discovery_pb.js";
import { typeUrlOf } from "#host/discovery/watched-type.ts";
import { AdsSession, type AdsTransport } from "./ads-session.ts";
import { ResourceSet } from "./resource-set.ts";

const typeUrl = typeUrlOf(AuthorizationSchema);
const template = (...authorizationPolicies: string[]) =>
  create(RevisionTemplateSchema, { authorizationPolicies });

function rig(...names: string[]) {
  return rigWith({}, ...names);
}

function rigWith(limits: { readonly namesMax?: number }, ...names: string[]) {
  const resources = new ResourceSet();
  const set = (...all: string[]): void => {
    const messages = all.map((text) => {
      const [name = "", dryRun] = text.split("!");
      return [name, create(AuthorizationSchema, { name, dryRun: dryRun !== undefined })] as const;
    });
    resources.replace(AuthorizationSchema, new Map(messages));
  };
  set(...names);
  const sent: string[] = [];
  const refusals: string[] = [];
  const state = { takes: true };
  const versions = new Map<string, string>();
  const transport: AdsTransport = {
    send(response: DeltaDiscoveryResponse) {
      sent.push(`+${response.resources.map(({ name }) => name).join()} -${response.removedResources.join()}`);
      for (const { name, version } of response.resources) versions.set(name, version);
      return state.takes;
    },
    onRefusal: (_, message) => void refusals.push(message),
  };
  const session = new AdsSession(resources, transport, limits.namesMax);
  resources.onChange((change) => session.note(change));
  const receive = (init: MessageInitShape<typeof DeltaDiscoveryRequestSchema> = {}): string | undefined =>
    session.receive(create(DeltaDiscoveryRequestSchema, { typeUrl, ...init }));
  return { session, set, sent, refusals, state, versions, receive };
}

test("the first request is answered with everything, also when that is nothing", () => {
  const some = rig("a", "b");
  some.receive();
  expect(some.sent).toEqual(["+a,b -"]);
  const none = rig();
  none.receive();
  expect(none.sent).toEqual(["+ -"]);
});

test("a session knows what its client has taken, and whether something is to be sent", () => {
  const { session, set, receive } = rig("a");
  const progress = (): unknown[] => [session.sent, session.taken, session.isBehind];
  receive();
  expect(progress()).toEqual([1, 0, false]);
  receive({ responseNonce: "1" });
  set("a", "b");
  expect(progress()).toEqual([1, 1, true]);
  session.flush();
  expect(progress()).toEqual([2, 1, false]);
  for (const responseNonce of ["1", "x", "-5", "1e9", "2"]) receive({ responseNonce });
  expect(progress()).toEqual([2, 2, false]);
});

test("only what changed is sent, and what is equal again is not", () => {
  const { session, set, sent, receive } = rig("a", "b");
  receive();
  set("a", "b!", "c");
  session.flush();
  set("a", "b!", "c");
  session.flush();
  set("a", "c!");
  set("a", "c");
  session.flush();
  expect(sent).toEqual(["+a,b -", "+b,c -", "+ -b"]);
});

test("versions that the client brings are not sent again; what it has and is gone is told", () => {
  const first = rig("a", "b");
  first.receive();
  const { sent, receive } = rig("a", "b!");
  receive({ initialResourceVersions: { ...Object.fromEntries(first.versions), gone: "1" } });
  expect(sent).toEqual(["+b -gone"]);
});

test("names: only those, each answered, added and given up", () => {
  const { session, set, sent, receive } = rig("a", "b", "c");
  receive({ resourceNamesSubscribe: ["a", "none"] });
  receive({ resourceNamesSubscribe: ["b", "nothing"], resourceNamesUnsubscribe: ["a"] });
  set("a!", "b!", "c!");
  session.flush();
  receive({ resourceNamesSubscribe: ["a"] });
  expect(sent).toEqual(["+a -none", "+b -nothing", "+b -", "+a -"]);
});

test("a wildcard can be added and given up by name", () => {
  const { session, set, sent, receive } = rig("a", "b");
  receive({ resourceNamesSubscribe: ["a"] });
  receive({ resourceNamesSubscribe: ["*"] });
  receive({ resourceNamesUnsubscribe: ["*"] });
  set("a", "b!");
  session.flush();
  expect(sent).toEqual(["+a -", "+b -"]);
});

test("while the transport is full changes are gathered by name, however many there are", () => {
  const { session, set, sent, state, receive } = rig("a");
  receive();
  state.takes = false;
  set("a!");
  session.flush();
  for (let i = 0; i < 1000; i++) set(i % 2 === 0 ? "a" : "a!", "b");
  expect(sent).toEqual(["+a -", "+a -"]);
  state.takes = true;
  session.flush();
  // `a` is again what was sent last, so only `b` goes out.
  expect(sent).toEqual(["+a -", "+a -", "+b -"]);
});

test("a policy comes before the template that names it, and goes after it", () => {
  const resources = new ResourceSet();
  const sent: string[] = [];
  const session = new AdsSession(resources, {
    send({ typeUrl: type, resources: changed, removedResources }) {
      sent.push(
        `${type.split(".").at(-1)} +${changed.map(({ name }) => name).join()} -${removedResources.join()}`,
      );
      return true;
    },
    onRefusal() {},
  });
  resources.onChange((change) => session.note(change));
  for (const type of [typeUrlOf(RevisionTemplateSchema), typeUrl])
    session.receive(create(DeltaDiscoveryRequestSchema, { typeUrl: type }));
  sent.length = 0;
  resources.replace(RevisionTemplateSchema, new Map([["t", template("p")]]));
  resources.replace(AuthorizationSchema, new Map([["p", create(AuthorizationSchema)]]));
  session.flush();
  resources.replace(AuthorizationSchema, new Map());
  resources.replace(RevisionTemplateSchema, new Map([["t", template()]]));
  session.flush();
  expect(sent).toEqual([
    "Authorization +p -",
    "RevisionTemplate +t -",
    "RevisionTemplate +t -",
    "Authorization + -p",
  ]);
});

test("a refusal is told, and does not make the resource be sent again", () => {
  const { session, sent, refusals, receive } = rig("a");
  receive();
  receive({ responseNonce: "1", errorDetail: { code: 3, message: "a: bad" } });
  session.flush();
  expect([sent, refusals]).toEqual([["+a -"], ["a: bad"]]);
});

test.each<[string, MessageInitShape<typeof DeltaDiscoveryRequestSchema>[]]>([
  ["asked for at once", [{ resourceNamesSubscribe: ["a", "b", "c"] }]],
  [
    "asked for one after the other",
    [{ resourceNamesSubscribe: ["a", "b"] }, { resourceNamesSubscribe: ["c"] }],
  ],
  ["that the client brings", [{ initialResourceVersions: { a: "1", b: "1", c: "1" } }]],
])("names beyond the bound, %s, end the stream", (_, requests) => {
  const { sent, receive } = rigWith({ namesMax: 2 }, "a", "b", "c");
  const refusals = requests.map((request) => receive(request));
  expect(refusals.pop()).toBe(`Cannot follow more than 2 names of "${typeUrl}"; follow all of them by "*"`);
  expect(refusals.every((refusal) => refusal === undefined)).toBe(true);
  expect(sent.join()).not.toContain("c");
});

test("names up to the bound are followed, the same ones again and others in their place too, and all by the wildcard", () => {
  const { session, set, sent, receive } = rigWith({ namesMax: 2 }, "a", "b", "c");
  const requests = [
    { resourceNamesSubscribe: ["a", "b"] },
    { resourceNamesSubscribe: ["a", "b"] },
    { resourceNamesSubscribe: ["c"], resourceNamesUnsubscribe: ["a"] },
    { resourceNamesSubscribe: ["*"] },
  ];
  expect(requests.map((request) => receive(request))).toEqual(requests.map(() => undefined));
  set("a!", "b!", "c!");
  session.flush();
  expect(sent).toEqual(["+a,b -", "+c -", "+a -", "+a,b,c -"]);
});
