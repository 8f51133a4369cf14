import { expect, test } from "bun:test";
import type { IpAddress } from "#core/address/ip.ts";
import { readConfig } from "./config.ts";

const ip = (text: string): IpAddress => text as IpAddress;

test("readConfig() has a default for everything", () => {
  const config = readConfig([], {});
  expect(config.ok ? undefined : config.error).toBeUndefined();
  expect(config.ok && config.value).toMatchObject({
    runDir: "/run/lambient",
    trustDomain: "cluster.local",
    node: "node-0",
    network: "",
    clusterId: "Kubernetes",
    logLevel: "info",
    nameserver: ip("10.96.0.10"),
    hostNamespacePath: undefined,
    resolvers: [],
    policyHoldMs: 5000,
    source: {
      kind: "control-plane",
      ads: {
        target: "unix:/run/lambient/control.sock",
        rootsPath: "/run/lambient/ca.pem",
        tokenPath: "/run/lambient/tokens/ztunnel",
        serverName: "lambient.local",
      },
      zdsPath: "/run/lambient/zds.sock",
      podsPath: "/run/lambient/pods.sock",
    },
  });
});

test("readConfig() takes a flag before the environment, and our name before Istio's", () => {
  const environment = { LAMBIENT_NODE: "ours", NODE_NAME: "theirs", TRUST_DOMAIN: "their.domain" };
  const node = (argv: readonly string[]): string => {
    const config = readConfig(argv, environment);
    return config.ok ? `${config.value.node} in ${config.value.trustDomain}` : config.error.join();
  };
  expect(node([])).toBe("ours in their.domain");
  expect(node(["--node", "flag", "--trust-domain", "flag.domain"])).toBe("flag in flag.domain");
});

test("readConfig() takes Istio's names for the control plane", () => {
  const config = readConfig([], {
    XDS_ADDRESS: "https://istiod.istio-system.svc:15012",
    INPOD_UDS: "/var/run/ztunnel/ztunnel.sock",
    XDS_ROOT_CA: "/root.pem",
    LOG_FORMAT: "plain",
    LAMBIENT_TOKEN: "/token",
  });
  const istiod = {
    target: "istiod.istio-system.svc:15012",
    rootsPath: "/root.pem",
    tokenPath: "/token",
    serverName: "istiod.istio-system.svc",
  };
  expect(config.ok && config.value.logFormat).toBe("text");
  expect(config.ok && config.value.source).toEqual({
    kind: "control-plane",
    ads: istiod,
    authority: istiod,
    zdsPath: "/var/run/ztunnel/ztunnel.sock",
    podsPath: "/run/lambient/pods.sock",
  });
});

test("readConfig() reads the file mode", () => {
  const argv = ["--certificates", "/c", "--capture", "10.1.0.2=/proc/1/ns/net", "--capture", "10.1.0.3=/n"];
  const config = readConfig(argv, { LOCAL_XDS_PATH: "/mesh.yaml" });
  expect(config.ok && config.value.source).toEqual({
    kind: "file",
    path: "/mesh.yaml",
    certificatesFolder: "/c",
    captures: [
      { address: ip("10.1.0.2"), namespacePath: "/proc/1/ns/net" },
      { address: ip("10.1.0.3"), namespacePath: "/n" },
    ],
  });
});

test.each<[string, string[], string]>([
  ["an unknown flag", ["--colour", "red"], "--colour"],
  ["a level", ["--log-level", "loud"], 'Cannot read --log-level as one of debug, info, warn, error: "loud"'],
  ["a range", ["--node-range", "10.0.0"], "Cannot read --node-range as a range such as"],
  ["a number", ["--drain-ms", "soon"], 'Cannot read --drain-ms as a whole number: "soon"'],
  [
    "a resolver",
    ["--resolvers", "1.1.1.1,nowhere"],
    'Cannot read --resolvers as ip or ip:port, by commas: "nowhere"',
  ],
  [
    "a capture without the file mode",
    ["--capture", "10.0.0.1=/x"],
    "Cannot read --capture as a part of the file mode",
  ],
  ["a file without certificates", ["--local-config", "/mesh"], "Cannot read --certificates as the folder"],
  [
    "a capture without a path",
    ["--local-config", "/m", "--certificates", "/c", "--capture", "10.0.0.1"],
    "Cannot read --capture as <address>=<path",
  ],
])("readConfig() refuses %s", (_name, argv, want) => {
  const config = readConfig(argv, {});
  expect(config.ok ? "" : config.error.join("\n")).toContain(want);
});

test("readConfig() tells every mistake at once", () => {
  const config = readConfig(["--log-level", "loud", "--drain-ms", "x"], {});
  expect(config.ok ? 0 : config.error.length).toBe(2);
});
