import { expect, test } from "bun:test";
import { closeLibc, openLibc } from "./libc.ts";
import { makeNetworkNamespace } from "./namespaces.ts";
import { readSettings, writeSettings } from "./sysctls.ts";

test("settings are those of the namespace, and what a kernel does not have reads undefined", () => {
  const libc = openLibc();
  using namespace = makeNetworkNamespace(libc);
  const name = "ipv4/ip_nonlocal_bind";
  const before = readSettings(libc, libc.homeNamespace, [name]).get(name);
  writeSettings(libc, namespace.fd, new Map([[name, "1"]]));
  expect([...readSettings(libc, namespace.fd, [name, "ipv4/no_such_setting"]).values()]).toEqual([
    "1",
    undefined,
  ]);
  expect(readSettings(libc, libc.homeNamespace, [name]).get(name)).toBe(before);
  closeLibc(libc);
});
