import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { settled } from "./fake/fake-stream.ts";
import { LineWriter } from "./line-writer.ts";

test("lines leave in batches, a sink that fails costs nothing, and what is too much is counted", async () => {
  const clock = new FakeClock();
  const written: string[] = [];
  const lines = new LineWriter((text) => {
    written.push(text);
    return Promise.resolve();
  }, clock);
  lines.write("a\n");
  lines.write("b\n");
  clock.advance(20);
  await settled();
  expect(written).toEqual(["a\nb\n"]);
  for (let i = 0; i < 10_005; i++) lines.write("x\n");
  expect(lines.dropped).toBe(5);
  const failing = new LineWriter(() => Promise.reject(new Error("EPIPE")), clock);
  failing.write("a\n");
  await failing.flush();
});
