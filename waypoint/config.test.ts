import { expect, test } from "bun:test";
import { readConfig, type Role } from "./config.ts";

test.each<[string, string[], Role]>([
  ["generic", ["--generic"], { kind: "generic" }],
  [
    "edge",
    ["--edge", "--listen-fd", "3", "--address", "10.245.0.1"],
    { kind: "edge", listenFd: 3, address: "10.245.0.1" as never },
  ],
  [
    "direct",
    ["--name", "shop/waypoint", "--listen", "127.0.0.1:15008"],
    {
      kind: "direct",
      namespace: "shop",
      name: "waypoint",
      listen: { ip: "127.0.0.1" as never, port: 15008 },
    },
  ],
])("role %s", (_, argv, role) => {
  const config = readConfig(argv, {});
  expect(config.ok && config.value.role).toEqual(role);
});

test("defaults, environment and flags, the flag first", () => {
  const config = readConfig(["--generic", "--queue-max", "7"], {
    LAMBIENT_QUEUE_MAX: "8",
    LAMBIENT_RUN_DIR: "/tmp/x",
  });
  expect(config.ok && config.value).toMatchObject({
    runDir: "/tmp/x",
    trustDomain: "cluster.local",
    logFormat: "text",
    accessLog: true,
    limits: { queueMax: 7, requestsMax: 10_000, connectionIdleMs: 300_000 },
  });
});

function idle(argv: string[]): number | false {
  const config = readConfig(argv, {});
  return config.ok && config.value.limits.connectionIdleMs;
}

test("outsiders' connections are kept for less long, unless told", () => {
  const edge = ["--edge", "--listen-fd", "3", "--address", "10.245.0.1"];
  expect([idle(edge), idle([...edge, "--connection-idle-ms", "9"])]).toEqual([75_000, 9]);
});

test("all mistakes are told at once", () => {
  const config = readConfig(
    ["--log-level", "loud", "--queue-max", "-", "--name", "shop", "--listen", "x"],
    {},
  );
  expect(config).toEqual({
    ok: false,
    error: [
      'Cannot read --name as <namespace>/<gateway>, or give --generic or --edge: "shop"',
      'Cannot read --listen as <ip>:<port>: "x"',
      'Cannot read --log-level as debug or info or warn or error: "loud"',
      'Cannot read --queue-max as a whole number of at most 2147483647: "-"',
    ],
  });
});

test.each([[["--nonsense"]], [["positional"]], [["--edge", "--listen-fd", "x", "--address", "y"]]])(
  "%j is refused",
  (argv) => {
    expect(readConfig(argv, {}).ok).toBe(false);
  },
);
