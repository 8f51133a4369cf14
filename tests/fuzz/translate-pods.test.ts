/** Whatever Pods, Services and PeerAuthentications say: they are translated, every record can be read by a proxy, and a proxy's decision is the one that was written. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { IpAddress } from "#core/address/ip.ts";
import { readService } from "#core/mesh/service.ts";
import { readWorkload } from "#core/mesh/workload.ts";
import { decideAccess } from "#core/policy/decide-access.ts";
import { readPolicy } from "#core/policy/policy.ts";
import { noPolicies, resolvePolicies, withPolicies } from "#core/policy/policy-set.ts";
import type { PeerAuthenticationObject, PeerMode } from "../../k8s/model/peer-authentication.ts";
import type { PodObject } from "../../k8s/model/pod.ts";
import { MeshTranslator } from "../../k8s/translate/mesh-translator.ts";
import { mesh, peerAuthenticationObject, plainService, podObject } from "../support/kube-objects.ts";

const runs = { numRuns: 300 };
const name = fc.constantFrom("a", "b", "c");
const labels = fc.dictionary(name, fc.constantFrom("x", "y"), { maxKeys: 3 });
const mode = fc.constantFrom<PeerMode>("STRICT", "PERMISSIVE", "DISABLE", "UNSET");
const ports = [80, 8080] as const;

const pod: fc.Arbitrary<PodObject> = fc
  .record({
    name: fc.constantFrom("p", "q", "r"),
    address: fc.constantFrom("10.244.0.130", "fd00::1", "nonsense", undefined),
    labels,
    account: fc.option(fc.constantFrom("web", "cart"), { nil: undefined }),
    phase: fc.constantFrom("Pending" as const, "Running" as const, "Failed" as const),
    hostNetwork: fc.boolean(),
    isEnrolled: fc.boolean(),
    portName: fc.constantFrom("http", "other"),
  })
  .map((given) =>
    podObject(given.name, given.address, {
      metadata: {
        labels: given.labels,
        ...(given.isEnrolled ? { annotations: { "ambient.istio.io/redirection": "enabled" } } : {}),
      },
      spec: {
        hostNetwork: given.hostNetwork,
        ...(given.account === undefined ? {} : { serviceAccountName: given.account }),
        containers: [{ name: "main", ports: [{ name: given.portName, containerPort: 8080 }] }],
      },
      status: {
        phase: given.phase,
        ...(given.address === undefined ? {} : { podIP: given.address, podIPs: [{ ip: given.address }] }),
      },
    }),
  );

const peer: fc.Arbitrary<PeerAuthenticationObject> = fc
  .record({
    name: fc.constantFrom("one", "two", "three"),
    namespace: fc.constantFrom("shop", "lambient-system", "other"),
    mode: fc.option(mode, { nil: undefined }),
    selector: fc.option(labels, { nil: undefined }),
    portModes: fc.dictionary(fc.constantFrom(...ports.map(String)), mode, { maxKeys: 2 }),
    age: fc.integer({ min: 1, max: 9 }),
  })
  .map(({ mode: own, selector, portModes, age, ...meta }) =>
    peerAuthenticationObject(
      meta.name,
      {
        ...(own === undefined ? {} : { mtls: { mode: own } }),
        ...(selector === undefined ? {} : { selector: { matchLabels: selector } }),
        ...(Object.keys(portModes).length === 0
          ? {}
          : {
              portLevelMtls: Object.fromEntries(
                Object.entries(portModes).map(([port, each]) => [port, { mode: each }]),
              ),
            }),
      },
      { namespace: meta.namespace, creationTimestamp: `2026-01-0${age}T00:00:00Z` },
    ),
  );

const service = fc
  .record({ selector: labels, targetPort: fc.constantFrom<number | string>(8080, "http") })
  .map((spec) => {
    const plain = plainService("s", "10.96.0.20");
    return {
      ...plain,
      spec: { ...plain.spec, selector: spec.selector, ports: [{ port: 80, targetPort: spec.targetPort }] },
    };
  });

test("every record that Pods and Services become can be read by a proxy", () => {
  fc.assert(
    fc.property(
      fc.array(pod, { maxLength: 4 }),
      service,
      fc.array(peer, { maxLength: 3 }),
      (pods, one, peerAuthentications) => {
        const { addresses, policies } = new MeshTranslator().translate(
          mesh({ pods, services: [one], peerAuthentications }),
        );
        for (const { type } of addresses.values()) {
          const read =
            type.case === "workload"
              ? readWorkload(type.value)
              : type.case === "service" && readService(type.value);
          expect(read).toMatchObject({ ok: true });
        }
        for (const policy of policies.values()) expect(readPolicy(policy)).toMatchObject({ ok: true });
        // No record names a policy that nobody is told of: a proxy would refuse everything.
        for (const { type } of addresses.values()) {
          for (const key of type.case === "workload" ? type.value.authorizationPolicies : [])
            expect(policies.has(key)).toBe(true);
        }
      },
    ),
    runs,
  );
});

function isBare({ spec }: PeerAuthenticationObject): boolean {
  return Object.keys(spec?.selector?.matchLabels ?? {}).length === 0;
}

/** What is written for a port of a Pod, said in another way than the translation says it: the oldest of each level, the nearest level that has a mode. */
function modeAt(all: readonly PeerAuthenticationObject[], own: PodObject, port: number): PeerMode {
  const oldest = all.toSorted(
    (a, b) =>
      a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp) ||
      a.metadata.name.localeCompare(b.metadata.name),
  );
  const matches = (each: PeerAuthenticationObject): boolean =>
    Object.entries(each.spec?.selector?.matchLabels ?? {}).every(
      ([key, value]) => own.metadata.labels?.[key] === value,
    );
  const workload = oldest.find(
    (each) => each.metadata.namespace === "shop" && !isBare(each) && matches(each),
  );
  const levels = ["shop", "lambient-system"].map((home) =>
    oldest.find((each) => each.metadata.namespace === home && isBare(each)),
  );
  const modes = [
    workload?.spec?.portLevelMtls?.[port]?.mode,
    workload?.spec?.mtls?.mode,
    ...levels.map((each) => each?.spec?.mtls?.mode),
  ];
  return modes.find((each) => each !== undefined && each !== "UNSET") ?? "PERMISSIVE";
}

test("plain connections to a Pod are refused exactly where STRICT holds, tunnels nowhere", () => {
  const address = "10.244.0.130" as IpAddress;
  const running = pod.map((each) => podObject("p", address, { metadata: each.metadata }));
  fc.assert(
    fc.property(
      running,
      fc.array(peer, { maxLength: 5 }),
      fc.constantFrom(...ports, 9090),
      (own, given, port) => {
        const unique = [
          ...new Map(
            given.map((each) => [`${each.metadata.namespace}/${each.metadata.name}`, each]),
          ).values(),
        ];
        const { addresses, policies } = new MeshTranslator().translate(
          mesh({ pods: [own], peerAuthentications: unique }),
        );
        const read = [...policies.values()].flatMap((message) => {
          const policy = readPolicy(message);
          return policy.ok ? [policy.value] : [];
        });
        const type = addresses.get(`Kubernetes//Pod/shop/${own.metadata.name}`)?.type;
        const keys = type?.case === "workload" ? type.value.authorizationPolicies : [];
        const held = resolvePolicies(withPolicies(noPolicies, read, []), keys);
        const from = (source: SpiffeId | undefined): string =>
          decideAccess(held, {
            source,
            sourceAddress: address,
            destinationAddress: address,
            destinationPort: port,
          }).kind;
        expect(from(undefined)).toBe(modeAt(unique, own, port) === "STRICT" ? "denied" : "allowed");
        expect(from("spiffe://mesh.example/ns/shop/sa/web" as SpiffeId)).toBe("allowed");
      },
    ),
    { numRuns: 1000 },
  );
});
