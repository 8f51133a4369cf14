import { expect, test } from "bun:test";
import type { IpAddress } from "#core/address/ip.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { decideAccess } from "#core/policy/decide-access.ts";
import { readPolicy } from "#core/policy/policy.ts";
import { noPolicies, resolvePolicies, withPolicies } from "#core/policy/policy-set.ts";
import { readLocalConfig } from "./local-config.ts";
import { readService, type Service } from "./service.ts";
import { readWorkload, type Workload } from "./workload.ts";

function read(config: unknown): { workloads: Workload[]; services: Service[] } {
  const local = readLocalConfig(config);
  if (!local.ok) throw new Error(local.error.join("\n"));
  const workloads: Workload[] = [];
  const services: Service[] = [];
  for (const { type } of local.value.addresses) {
    const one = type.case === "workload" ? readWorkload(type.value) : undefined;
    const other = type.case === "service" ? readService(type.value) : undefined;
    if (one?.ok) workloads.push(one.value);
    if (other?.ok) services.push(other.value);
  }
  return { workloads, services };
}

test("readLocalConfig() reads every field of a workload", () => {
  const { workloads } = read({
    workloads: [
      {
        uid: "cluster1//Pod/shop/cart-1",
        name: "cart-1",
        namespace: "shop",
        serviceAccount: "cart",
        trustDomain: "td",
        workloadIps: ["10.0.0.1", "fd00::1"],
        hostname: "cart-1.x",
        network: "net1",
        protocol: "hbone",
        networkMode: "HostNetwork",
        node: "a",
        workloadName: "cart",
        workloadType: "cronjob",
        canonicalName: "cart",
        canonicalRevision: "v1",
        nativeTunnel: true,
        applicationTunnel: { protocol: "PROXY", port: 15088 },
        authorizationPolicies: ["shop/p"],
        status: "Unhealthy",
        clusterId: "cluster1",
        locality: { region: "r", zone: "z", subzone: "s" },
        capacity: 7,
        waypoint: { destination: "shop/way.x", hboneMtlsPort: 15009 },
        networkGateway: { destination: "net2/10.9.9.9" },
        services: { "shop/cart.x": { "80": 8080, "443": 8443 } },
      },
    ],
  });
  expect(workloads).toEqual([
    {
      uid: "cluster1//Pod/shop/cart-1",
      name: "cart-1",
      namespace: "shop",
      serviceAccount: "cart",
      trustDomain: "td",
      identity: "spiffe://td/ns/shop/sa/cart" as SpiffeId,
      network: "net1",
      addresses: ["10.0.0.1" as IpAddress, "fd00::1" as IpAddress],
      protocol: "hbone",
      waypoint: { kind: "hostname", service: "shop/way.x", port: 15009 },
      node: "a",
      clusterId: "cluster1",
      workloadName: "cart",
      workloadType: "cronjob",
      canonicalName: "cart",
      canonicalRevision: "v1",
      isHealthy: false,
      isHostNetwork: true,
      locality: { region: "r", zone: "z", subzone: "s" },
      capacity: 7,
      policies: ["shop/p"],
      services: new Map([
        [
          "shop/cart.x",
          new Map([
            [80, 8080],
            [443, 8443],
          ]),
        ],
      ]),
    },
  ]);
});

test("readLocalConfig() reads every field of a service", () => {
  const { services } = read({
    services: [
      {
        name: "cart",
        namespace: "shop",
        hostname: "cart.x",
        vips: ["net1/10.96.0.3", "/fd00::3"],
        cidrVips: ["/10.97.0.0/16"],
        ports: { "80": 8080 },
        endpoints: {},
        subjectAltNames: ["spiffe://td/ns/shop/sa/other", "not a SPIFFE id"],
        waypoint: { destination: "/10.245.0.2", hboneMtlsPort: 15008 },
        weightedWaypoints: [
          { destination: { destination: "shop/a.x" }, weight: 90 },
          { destination: { destination: "shop/b.x" }, weight: 10 },
          { destination: { destination: "shop/c.x" }, weight: 0 },
        ],
        loadBalancer: { mode: "Failover", healthPolicy: "AllowAll", routingPreferences: ["Region", "zone"] },
        ipFamilies: "IPv4",
        canonical: true,
        visibility: "Namespace",
      },
    ],
  });
  expect(services).toEqual([
    {
      key: "shop/cart.x",
      name: "cart",
      namespace: "shop",
      hostname: "cart.x",
      addresses: [
        { network: "net1", ip: "10.96.0.3" as IpAddress },
        { network: "", ip: "fd00::3" as IpAddress },
      ],
      ranges: [{ network: "", cidr: { address: "10.97.0.0" as IpAddress, prefixBits: 16 } }],
      ports: new Map([[80, 8080]]),
      subjectAltNames: ["spiffe://td/ns/shop/sa/other" as SpiffeId],
      waypoints: [
        { ref: { kind: "hostname", service: "shop/a.x", port: 15008 }, weight: 90 },
        { ref: { kind: "hostname", service: "shop/b.x", port: 15008 }, weight: 10 },
      ],
      balancing: { mode: "failover", preferences: ["region", "zone"], allowsUnhealthy: true },
      isCanonical: true,
      isPrivate: true,
      families: { ipv4: true, ipv6: false },
    },
  ]);
});

test("readLocalConfig() reads every field of a policy's match", () => {
  const local = readLocalConfig({
    policies: [
      {
        name: "all",
        namespace: "shop",
        scope: "WorkloadSelector",
        action: "Allow",
        dryRun: false,
        rules: [
          [
            [
              {
                namespaces: [{ exact: "shop" }],
                notNamespaces: [{ prefix: "other" }],
                principals: [{ suffix: "/sa/web" }, "presence"],
                notPrincipals: [{ exact: "td/ns/shop/sa/bad" }],
                sourceIps: ["10.0.0.0/8"],
                notSourceIps: ["10.9.0.0/16"],
                destinationIps: ["10.0.0.9"],
                notDestinationIps: ["10.0.0.10"],
                destinationPorts: [8080],
                notDestinationPorts: [9090],
                serviceAccounts: [{ namespace: "shop", serviceAccount: "web" }],
                notServiceAccounts: [{ namespace: "shop", serviceAccount: "bad" }],
              },
              { principals: [{ presence: {} }], destinationPorts: [1] },
            ],
          ],
        ],
      },
    ],
  });
  const [message] = local.ok ? local.value.policies : [];
  const policy = message && readPolicy(message);
  if (policy?.ok !== true) throw new Error("the policy was not read");
  const applicable = resolvePolicies(withPolicies(noPolicies, [policy.value], []), ["shop/all"]);
  const allows = (destinationPort: number): string =>
    decideAccess(applicable, {
      source: "spiffe://td/ns/shop/sa/web" as SpiffeId,
      sourceAddress: "10.0.0.2" as IpAddress,
      destinationAddress: "10.0.0.9" as IpAddress,
      destinationPort,
    }).kind;
  expect([8080, 9090, 1].map(allows)).toEqual(["allowed", "denied", "allowed"]);
});

const base = { namespace: "shop", services: {} };

test.each<[string, unknown, string]>([
  [
    "an unknown field",
    { workloads: [{ ...base, uid: "a", colour: 1 }] },
    'Cannot read workloads[0]: the field "colour" is not known',
  ],
  [
    "an unknown field below",
    { workloads: [{ ...base, uid: "a", locality: { moon: "x" } }] },
    'workloads[0].locality: the field "moon"',
  ],
  ["no uid", { workloads: [base] }, "Cannot read workloads[0].uid as the workload's unique name"],
  ["a wrong type", { workloads: [{ ...base, uid: 3 }] }, "Cannot read workloads[0].uid as a text: 3"],
  [
    "a wrong flag",
    { workloads: [{ ...base, uid: "a", nativeTunnel: "yes" }] },
    "nativeTunnel as true or false",
  ],
  ["a wrong number", { workloads: [{ ...base, uid: "a", capacity: -1 }] }, "capacity as a whole number: -1"],
  ["a wrong word", { workloads: [{ ...base, uid: "a", protocol: "QUIC" }] }, "as one of HBONE, TCP"],
  [
    "a word of another type",
    { workloads: [{ ...base, uid: "a", status: 1 }] },
    "as one of Healthy, Unhealthy",
  ],
  [
    "an address",
    { workloads: [{ ...base, uid: "a", workloadIps: ["10.0.0"] }] },
    "workloads[0].workloadIps as IP addresses",
  ],
  [
    "a text in a list",
    { workloads: [{ ...base, uid: "a", authorizationPolicies: [1] }] },
    "authorizationPolicies[0] as a text: 1",
  ],
  ["a list that is none", { workloads: { a: 1 } }, "Cannot read workloads as a list"],
  ["an entry that is none", { workloads: [1] }, "Cannot read workloads[0] as an object: 1"],
  [
    "a gateway",
    { services: [{ hostname: "a", waypoint: { destination: "nowhere" } }] },
    "destination as network/address or namespace/hostname",
  ],
  [
    "a service without a hostname",
    { services: [{ name: "a" }] },
    "services[0].hostname as the service's hostname",
  ],
  ["a VIP", { services: [{ hostname: "a", vips: ["10.0.0.1"] }] }, "services[0].vips as network/address"],
  [
    "a port",
    { services: [{ hostname: "a", ports: { x: 1 } }] },
    "services[0].ports as ports by service port",
  ],
  ["endpoints", { services: [{ hostname: "a", endpoints: { x: {} } }] }, "services[0].endpoints as empty"],
  [
    "a preference",
    { services: [{ hostname: "a", loadBalancer: { routingPreferences: ["Moon"] } }] },
    "routingPreferences as some of Region",
  ],
  ["a rule", { policies: [{ name: "p", rules: [{}] }] }, "Cannot read policies[0].rules[0] as a list"],
  [
    "a clause",
    { policies: [{ name: "p", rules: [["x"]] }] },
    "Cannot read policies[0].rules[0][0] as a list",
  ],
  [
    "a match's field",
    { policies: [{ name: "p", rules: [[[{ port: 1 }]]] }] },
    'policies[0].rules[0][0][0]: the field "port"',
  ],
  [
    "a match's port",
    { policies: [{ name: "p", rules: [[[{ destinationPorts: ["x"] }]]] }] },
    "destinationPorts as ports",
  ],
  [
    "a match's range",
    { policies: [{ name: "p", rules: [[[{ sourceIps: ["10/8"] }]]] }] },
    "sourceIps as ranges",
  ],
  [
    "a pattern",
    { policies: [{ name: "p", rules: [[[{ principals: [{ like: "x" }] }]]] }] },
    "principals as texts that are one of",
  ],
  [
    "an account",
    { policies: [{ name: "p", rules: [[[{ serviceAccounts: [{ name: "x" }] }]]] }] },
    'serviceAccounts[0]: the field "name"',
  ],
  ["the root", [], "as an object"],
])("readLocalConfig() refuses %s with its path", (_name, config, want) => {
  const local = readLocalConfig(config);
  expect(local.ok ? "" : local.error.join("\n")).toContain(want);
});
