import { expect, test } from "bun:test";
import { formatTraceparent, parseTraceparent } from "./trace-context.ts";

const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const span = "00f067aa0ba902b7";

test.each(["00", "01"])("parseTraceparent() gives back flags %s", (flags) => {
  const text = `00-${trace}-${span}-${flags}`;
  const parsed = parseTraceparent(text);
  expect(parsed).toEqual({ traceId: trace, spanId: span, sampled: flags === "01" });
  if (parsed !== undefined) expect(formatTraceparent(parsed)).toBe(text);
});

test.each([
  undefined,
  "",
  `01-${trace}-${span}-01`,
  `00-${"0".repeat(32)}-${span}-01`,
  `00-${trace}-${"0".repeat(16)}-01`,
  `00-${trace}-${span}-01-x`,
  `00-${trace.toUpperCase()}-${span}-01`,
])("parseTraceparent() refuses %j", (text) => expect(parseTraceparent(text)).toBeUndefined());
