import { expect, test } from "bun:test";
import { formatSocketAddress, parseSocketAddress } from "./socket-address.ts";

test.each(["10.0.0.1:80", "[::1]:65535", "[2001:db8::1]:443"])(
  "parseSocketAddress() takes %s and gives it back",
  (text) => {
    const parsed = parseSocketAddress(text);
    if (!parsed.ok) throw new Error(parsed.error);
    expect(formatSocketAddress(parsed.value)).toBe(text);
  },
);

test.each([
  "",
  "10.0.0.1",
  "10.0.0.1:0",
  "10.0.0.1:65536",
  "10.0.0.1:080",
  "::1:80",
  "[10.0.0.1]:80",
  "host:80",
  "10.0.0.1:80 ",
])("parseSocketAddress() refuses %j", (text) => expect(parseSocketAddress(text).ok).toBe(false));
