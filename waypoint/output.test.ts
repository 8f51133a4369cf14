import { expect, test } from "bun:test";
import { FakeStream } from "./fake/fake-stream.ts";
import { Output } from "./output.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);

test("pieces of one turn leave in one write", () => {
  const stream = new FakeStream();
  const output = new Output(stream);
  output.put(bytes("head"));
  output.put(bytes("body"));
  output.flush();
  expect([stream.written, stream.writes, output.bytesWritten]).toEqual(["headbody", 1, 8]);
});

test("large pieces are not copied together", () => {
  const stream = new FakeStream();
  const output = new Output(stream);
  output.put(bytes("head"));
  output.put(new Uint8Array(64 << 10));
  output.flush();
  expect(stream.writes).toBe(2);
});

test("what is not taken is kept, in order, and its view may change", () => {
  const stream = new FakeStream();
  stream.room = 3;
  const output = new Output(stream);
  const view = bytes("abcdef");
  output.put(view);
  output.flush();
  view.fill(0);
  output.put(bytes("ghi"));
  output.flush();
  expect([stream.written, output.isFull]).toEqual(["abc", true]);
  stream.room = 2;
  expect(output.drain()).toBe(false);
  stream.room = 100;
  expect(output.drain()).toBe(true);
  expect([stream.written, output.isFull]).toEqual(["abcdefghi", false]);
});

test("end() waits until everything has left", () => {
  const stream = new FakeStream();
  stream.room = 1;
  const output = new Output(stream);
  output.put(bytes("ab"));
  output.end();
  expect(stream.isEnded).toBe(false);
  stream.room = 5;
  output.drain();
  expect([stream.written, stream.isEnded]).toEqual(["ab", true]);
});
