import { expect, test } from "bun:test";
import { FakeClock } from "./fake/fake-clock.ts";
import { makeLineWriter } from "./line-writer.ts";

test("a writer batches lines and writes one batch at a time", async () => {
  const clock = new FakeClock();
  const batches: { text: string; done: () => void }[] = [];
  const writer = makeLineWriter((text) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    batches.push({ text, done: resolve });
    return promise;
  }, clock);
  writer.write("a\n");
  writer.write("b\n");
  clock.advance(20);
  writer.write("c\n");
  const flushed = writer.flush();
  expect(batches.map(({ text }) => text)).toEqual(["a\nb\n"]);
  batches[0]?.done();
  while (batches.length < 2) await Promise.resolve();
  batches[1]?.done();
  await flushed;
  expect(batches.map(({ text }) => text)).toEqual(["a\nb\n", "c\n"]);
});

test("a writer drops and counts what a slow reader leaves", () => {
  const writer = makeLineWriter(() => new Promise(() => {}), new FakeClock());
  for (let i = 0; i < 10_005; i++) writer.write("line\n");
  expect(writer.dropped).toBe(5);
});

test("a reader that is gone does not end the writer", async () => {
  const clock = new FakeClock();
  const writer = makeLineWriter(() => Promise.reject(new Error("EPIPE")), clock);
  writer.write("a\n");
  await writer.flush();
  writer.write("b\n");
  await writer.flush();
  expect(writer.dropped).toBe(0);
});
