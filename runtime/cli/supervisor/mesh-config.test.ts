import { expect, test } from "bun:test";
import { environmentName, firstAddress, meshDefaults, parseMeshConfig } from "./mesh-config.ts";

test("parseMeshConfig() takes the defaults", () => {
  expect(parseMeshConfig({})).toEqual({
    ok: true,
    value: {
      runDir: "/run/lambient",
      dataDir: "/var/lib/lambient",
      trustDomain: "cluster.local",
      node: "node-0",
      nodeRange: "10.244.0.0/24",
      waypointRange: "10.245.0.0/24",
      serviceRange: "10.96.0.0/16",
      apiPort: 7443,
      edgePort: 8080,
      poolSize: 4,
      images: "",
      hostPaths: "",
      logLevel: "info",
      logFormat: "text",
    },
  });
});

test("parseMeshConfig() reports every error at once", () => {
  const read = parseMeshConfig({
    runDir: "here",
    apiPort: "many",
    edgePort: "70000",
    logLevel: "loud",
    node: "",
  });
  expect(read).toEqual({
    ok: false,
    error: [
      'Cannot read --run-dir as an absolute path of at most 80 characters: "here"',
      `Cannot read --node as a node's name such as node-0: ""`,
      'Cannot read --api-port as a whole number from 0 to 65535: "many"',
      'Cannot read --edge-port as a whole number from 0 to 65535: "70000"',
      'Cannot read --log-level as one of debug, info, warn, error: "loud"',
    ],
  });
});

test.each([
  [
    "no range",
    { nodeRange: "10.0.0.1" },
    'Cannot read --node-range as an IPv4 range between /8 and /28: "10.0.0.1"',
  ],
  [
    "too small",
    { nodeRange: "10.0.0.0/30" },
    'Cannot read --node-range as an IPv4 range between /8 and /28: "10.0.0.0/30"',
  ],
  [
    "IPv6",
    { serviceRange: "fd00::/16" },
    'Cannot read --service-range as an IPv4 range between /8 and /28: "fd00::/16"',
  ],
  [
    "overlap",
    { waypointRange: "10.244.0.0/16" },
    "Cannot use --waypoint-range 10.244.0.0/16: it overlaps --node-range 10.244.0.0/24; choose disjoint ranges",
  ],
  [
    "one port twice",
    { apiPort: "8080" },
    "Cannot use port 8080 for both --api-port and --edge-port: choose two",
  ],
] as const)("parseMeshConfig() refuses: %s", (_, raw, want) => {
  expect(parseMeshConfig(raw)).toEqual({ ok: false, error: [want] });
});

test("two free ports may both be asked for", () => {
  expect(parseMeshConfig({ apiPort: "0", edgePort: "0" }).ok).toBe(true);
});

test("names of environment and first addresses", () => {
  expect(environmentName("waypointRange")).toBe("LAMBIENT_WAYPOINT_RANGE");
  expect(String(firstAddress(meshDefaults.waypointRange))).toBe("10.245.0.1");
});
