import { expect, test } from "bun:test";
import { findPortHolder, listenerInodes } from "./port-holder.ts";

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 100 0 0 10 0
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000000000000000 100 0 0 10 0
`;

test.each([
  ["the listener, not its connections", 8080, ["4711"]],
  ["another port", 80, ["4713"]],
  ["a port whose digits end alike", 0x0f90, []],
] as const)("listenerInodes(): %s", (_, port, want) => {
  expect(listenerInodes(table, port)).toEqual([...want]);
});

test("findPortHolder() names this very process", () => {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  expect(findPortHolder(listener.port)).toContain(`(pid ${process.pid})`);
  listener.stop();
});

test("findPortHolder() names nobody where nobody listens", () => {
  expect(findPortHolder(0)).toBeUndefined();
});
