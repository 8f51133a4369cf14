import { expect, test } from "bun:test";
import { readConfig } from "./config.ts";

test("nothing given: the defaults; the addresses follow from the ranges", () => {
  expect(readConfig([], {})).toMatchObject({
    ok: true,
    value: {
      runDir: "/run/lambient",
      apiPort: 7443,
      nodeAddress: "10.244.0.1",
      edgeAddress: "10.245.0.1",
      apiAddress: "10.96.0.1",
      nameserver: "10.96.0.10",
      svidTtlMs: 86_400_000,
    },
  });
});

test("a flag counts before the environment, the environment before the default", () => {
  const environment = { LAMBIENT_API_PORT: "1", LAMBIENT_NODE: "n-9", LAMBIENT_SVID_TTL_MS: "5000" };
  expect(readConfig(["--api-port", "2", "--node-range", "10.1.2.0/25"], environment)).toMatchObject({
    ok: true,
    value: { apiPort: 2, node: "n-9", svidTtlMs: 5000, nodeAddress: "10.1.2.1" },
  });
});

test("all errors are told at once", () => {
  const flags = [
    "--api-port",
    "65536",
    "--log-level",
    "loud",
    "--service-range",
    "10.0.0.0/30",
    "--data-dir",
    "x",
  ];
  expect(readConfig(flags, { LAMBIENT_TRUST_DOMAIN: "Not Good" })).toEqual({
    ok: false,
    error: [
      'Cannot read --data-dir as an absolute path: "x"',
      'Cannot read --trust-domain as a name of the form ^[a-z0-9._-]{1,255}$: "Not Good"',
      'Cannot read --log-level as one of debug, info, warn, error: "loud"',
      'Cannot read --api-port as a whole number from 0 to 65535: "65536"',
      'Cannot read --service-range as an IPv4 range of at least 16 addresses, such as 10.244.0.0/24: "10.0.0.0/30"',
    ],
  });
});
