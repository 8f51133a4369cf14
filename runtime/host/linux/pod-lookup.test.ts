import { expect, test } from "bun:test";
import { parseIp } from "#core/address/ip.ts";
import { podProgram } from "./pod-lookup.ts";

function ip(text: string) {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

const pod = {
  address: ip("10.244.0.130"),
  nameserver: ip("10.96.0.10"),
  capturesInbound: true,
  capturesDns: true,
};

test("a Pod that takes its plaintext as it comes has the same program: its answers would meet the capture", () => {
  const captured = podProgram(7, pod);
  expect(captured.length % 8).toBe(0);
  expect(podProgram(7, { ...pod, capturesInbound: false })).toEqual(captured);
});

test("a Pod is captured by an IPv4 address only", () => {
  expect(() => podProgram(7, { ...pod, address: ip("fd00::1") })).toThrow(
    "Cannot capture by an IPv4 address: fd00::1",
  );
});
