import { expect, test } from "bun:test";
import { parseConfig } from "./config.ts";

test("parseConfig() has defaults for everything", () => {
  const config = parseConfig([], {});
  expect<object | undefined>(config.ok ? config.value : undefined).toEqual({
    runDir: "/run/lambient",
    dataDir: "/var/lib/lambient",
    node: "node-0",
    logLevel: "info",
    logFormat: "text",
    nodeAddress: "10.244.0.1",
    podRange: { address: "10.244.0.128", prefixBits: 25 },
    serviceRange: { address: "10.96.0.0", prefixBits: 16 },
    apiAddress: "10.96.0.1",
    nameserver: "10.96.0.10",
    cgroup: "lambient/pods",
    hostNetworkPath: undefined,
    imagesFile: "",
    hostPaths: [],
    restartBackOffMs: 10_000,
  });
});

test("parseConfig() takes flags before the environment", () => {
  const flags = ["--host-paths", "/srv/a,/srv/b", "--host-netns", "/proc/1/ns/net"];
  const config = parseConfig(flags, { LAMBIENT_HOST_PATHS: "/x", LAMBIENT_IMAGES: "/images.yaml" });
  const { hostPaths, hostNetworkPath, imagesFile } = config.ok ? config.value : {};
  expect<object>({ hostPaths, hostNetworkPath, imagesFile }).toEqual({
    hostPaths: ["/srv/a", "/srv/b"],
    hostNetworkPath: "/proc/1/ns/net",
    imagesFile: "/images.yaml",
  });
});

test.each([
  ["--run-dir", "run"],
  ["--data-dir", "data"],
  ["--log-level", "loud"],
  ["--log-format", "xml"],
  ["--node-range", "10.0.0.0/31"],
  ["--service-range", "fd00::/16"],
  ["--cgroup", "../x"],
  ["--host-paths", "/"],
  ["--host-paths", "/a/../b"],
  ["--restart-back-off-ms", "0"],
])("parseConfig() refuses %s %s", (flag, value) => {
  const config = parseConfig([flag, value], {});
  expect(config.ok ? [] : config.error).toEqual([expect.stringContaining(`Cannot read ${flag} as`)]);
});

test("parseConfig() refuses what is no flag", () => {
  expect(parseConfig(["--x"], {}).ok).toBe(false);
});
