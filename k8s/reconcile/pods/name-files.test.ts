import { expect, test } from "bun:test";
import type { PodObject, PodSpec } from "../../model/pod.ts";
import { hostnameOf, hostsFile, type NameFacts, resolvConf } from "./name-files.ts";

const facts: NameFacts = {
  clusterDomain: "cluster.local",
  nameserver: "10.96.0.10",
  nodeResolvConf: "# x\nnameserver 192.0.2.1\nsearch example.com\noptions timeout:1 rotate\n",
  nodeName: "node-0",
  address: "10.244.0.130",
};

function pod(spec: Partial<PodSpec>, name = "web"): PodObject {
  const metadata = { name, namespace: "shop", uid: "u", resourceVersion: "1", creationTimestamp: "" };
  return { apiVersion: "v1", kind: "Pod", metadata, spec: { containers: [], ...spec } };
}

const cluster =
  "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n";
const node = "search example.com\nnameserver 192.0.2.1\noptions timeout:1 rotate\n";

test.each<[string, Partial<PodSpec>, string]>([
  ["the cluster's by default", {}, cluster],
  ["the node's in its network", { hostNetwork: true }, node],
  [
    "the cluster's there too, when asked for",
    { hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" },
    cluster,
  ],
  ["the node's", { dnsPolicy: "Default" }, node],
  ["nothing", { dnsPolicy: "None" }, ""],
  [
    "what the Pod adds and changes",
    {
      dnsConfig: {
        nameservers: ["192.0.2.9", "10.96.0.10"],
        searches: ["a.b"],
        options: [{ name: "ndots", value: "1" }, { name: "edns0" }],
      },
    },
    "search shop.svc.cluster.local svc.cluster.local cluster.local a.b\nnameserver 10.96.0.10\nnameserver 192.0.2.9\noptions ndots:1 edns0\n",
  ],
])("resolvConf(): %s", (_name, spec, want) => {
  expect(resolvConf(pod(spec), facts)).toBe(want);
});

test("hostsFile() names the Pod and its aliases", () => {
  const spec = {
    hostname: "web-0",
    subdomain: "web",
    hostAliases: [{ ip: "192.0.2.3", hostnames: ["a", "b"] }],
  };
  expect(hostsFile(pod(spec), facts).split("\n").slice(3)).toEqual([
    "10.244.0.130\tweb-0.web.shop.svc.cluster.local\tweb-0",
    "",
    "# Entries added by HostAliases.",
    "192.0.2.3\ta\tb",
    "",
  ]);
  expect(hostsFile(pod({ hostNetwork: true }), facts).split("\n").length).toBe(4);
});

test("hostnameOf() is the Pod's name, cut where it must be", () => {
  expect(hostnameOf(pod({}), "node-0")).toBe("web");
  expect(hostnameOf(pod({ hostname: "h" }), "node-0")).toBe("h");
  expect(hostnameOf(pod({ hostNetwork: true }), "node-0")).toBe("node-0");
  expect(hostnameOf(pod({}, `${"a".repeat(62)}-b`), "node-0")).toBe("a".repeat(62));
});
