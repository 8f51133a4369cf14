import { expect, test } from "bun:test";
import { parseConfig } from "./config.ts";

test("parseConfig() takes the defaults", () => {
  expect(parseConfig([], {})).toMatchObject({
    ok: true,
    value: {
      runDir: "/run/lambient",
      slotRange: { address: "10.244.0.0", prefixBits: 25 },
      nameserver: "10.96.0.10",
      poolSize: 4,
      cgroup: "lambient/node-runtime",
    },
  });
});

test("parseConfig() lets a flag win over the environment, and hands the common ones on", () => {
  const parsed = parseConfig(["--run-dir", "/a", "--pool-size", "2"], {
    LAMBIENT_RUN_DIR: "/b",
    LAMBIENT_NODE: "n1",
  });
  expect(parsed).toMatchObject({ ok: true, value: { runDir: "/a", node: "n1", poolSize: 2 } });
  expect(parsed.ok && parsed.value.commonFlags.join(" ")).toBe(
    "--run-dir /a --data-dir /var/lib/lambient --trust-domain cluster.local --node n1 --log-level info --log-format text",
  );
});

test("parseConfig() returns all errors at once", () => {
  const parsed = parseConfig(
    ["--run-dir", "x", "--log-level", "loud", "--pool-size", "0", "--node-range", "::/64"],
    {},
  );
  expect(parsed).toEqual({
    ok: false,
    error: [
      'Cannot read --run-dir as an absolute path: "x"',
      'Cannot read --log-level as one of debug, info, warn, error: "loud"',
      'Cannot read --node-range as an IPv4 range between /8 and /28: "::/64"',
      'Cannot read --pool-size as a whole number from 1 to 64: "0"',
    ],
  });
});

test.each([[["--unknown", "1"]], [["positional"]], [["--cgroup", "../x/../.."]]])(
  "parseConfig(%j) is refused",
  (args) => {
    expect(parseConfig(args, {}).ok).toBe(false);
  },
);
