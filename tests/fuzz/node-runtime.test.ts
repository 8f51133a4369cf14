/** What others send to the node runtime, at random: it is answered or refused, never a crash. */
import { expect, test } from "bun:test";
import {
  assert,
  asyncProperty,
  constantFrom,
  jsonValue,
  oneof,
  property,
  record,
  string,
  uint8Array,
} from "fast-check";
import { MeshError } from "#host/mesh-error.ts";
import { nodeMethods, type NodeWork } from "../../functions/node-methods.ts";
import { parseConfig } from "../../functions/config.ts";
import { parseCron } from "../../functions/schedules/schedule-times.ts";
import { decodeAck, isHello } from "#host/zds/zds-packet.ts";

test("packets of a ztunnel are a greeting, an acknowledgement or neither", () => {
  assert(
    property(uint8Array({ maxLength: 64 }), (bytes) => {
      expect(typeof isHello(bytes)).toBe("boolean");
      expect(["string", "undefined"]).toContain(typeof decodeAck(bytes));
    }),
    { numRuns: 2000 },
  );
});

const nothing: NodeWork = {
  port: 8080,
  activate: () => Promise.reject(new MeshError("not-found", "none")),
  release() {},
  check: () => Promise.resolve({ loaded: false, reason: "" }),
  report: () => ({ instances: [], ended: [], schedules: [] }),
  readLogs: () => Promise.resolve({ lines: [], cursor: "" }),
  identityOf: () => "",
};
const holder = { isOpen: true, onComing() {}, onGone() {} };
const fields = record(
  {
    revision: jsonValue(),
    further: jsonValue(),
    instance: jsonValue(),
    namespace: jsonValue(),
    function: jsonValue(),
    cursor: jsonValue(),
    tailLines: jsonValue(),
    sinceMs: jsonValue(),
    waitMs: jsonValue(),
  },
  { requiredKeys: [] },
);

test("parameters of every method are taken, or refused as what they are", async () => {
  await assert(
    asyncProperty(constantFrom(...nodeMethods.keys()), fields, async (name, params) => {
      try {
        await nodeMethods.get(name)?.call(nothing, params, holder);
      } catch (error) {
        expect(error).toBeInstanceOf(MeshError);
      }
    }),
    { numRuns: 2000 },
  );
});

test("schedules and flags of any text are read or refused", () => {
  const cronLike = string({
    unit: constantFrom("*", "/", "-", ",", " ", "0", "1", "5", "9", "L", "W", "#", "?"),
    maxLength: 24,
  });
  assert(
    property(oneof(cronLike, string()), (text) => {
      const parsed = parseCron(text);
      if (parsed.ok) expect(["number", "undefined"]).toContain(typeof parsed.value.next(1_800_000_000_000));
      expect(
        typeof parseConfig([`--pool-size=${text}`], { LAMBIENT_CGROUP: text, LAMBIENT_NODE_RANGE: text }).ok,
      ).toBe("boolean");
    }),
    { numRuns: 500 },
  );
});
