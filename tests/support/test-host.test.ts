import { expect, test } from "bun:test";
import { findLeaks } from "./host-snapshot.ts";
import { hostAddress, internetAddress, openTestHost } from "./test-host.ts";

test("a test host has a network of its own with an internet, and ends with everything in it", async () => {
  const host = await openTestHost();
  const server = host.onInternet(() =>
    Bun.serve({
      hostname: internetAddress,
      port: 80,
      fetch: (request, it) => new Response(`hello ${it.requestIP(request)?.address}`),
    }),
  );
  const answer = await host.fetch(`http://${internetAddress}/`);
  expect(answer).toMatchObject({ status: 200, body: `hello ${hostAddress}` });
  expect(
    await host.run(["sh", "-c", "cat; echo $X >&2; exit 3"], { input: "in", env: { X: "err" } }),
  ).toEqual({
    code: 3,
    signal: null,
    stdout: "in",
    stderr: "err\n",
  });
  const before = await host.snapshot();
  expect(findLeaks(before, await host.snapshot())).toEqual([]);
  const left = await host.spawn(["sleep", "1000"]);
  await host.run(["mount", "-t", "tmpfs", "none", "/mnt"]);
  const leaks = findLeaks(before, await host.snapshot());
  expect(leaks.some((leak) => leak.startsWith(`processes: ${left.pid} sleep`))).toBe(true);
  expect(leaks).toContain("mounts: / at /mnt");
  await server.stop(true);
  await host.close();
}, 20_000);
