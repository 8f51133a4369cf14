/** Splicing over fake streams: nothing lost, nothing held twice, ends and resets passed on, one end told once. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import type { ByteStream, ByteStreamHandler } from "../byte-stream.ts";
import { splice, type SpliceEnd } from "./splice.ts";

/** A stream whose far side is the test. */
class FakeStream implements ByteStream {
  handler: ByteStreamHandler | undefined;
  /** How many bytes the next writes may take. */
  room = Number.POSITIVE_INFINITY;
  readonly taken: number[] = [];
  isPaused = false;
  isEnded = false;
  isReset = false;
  isClosed = false;

  write(bytes: Uint8Array): number {
    if (this.isEnded || this.isClosed) return 0;
    const count = Math.min(this.room, bytes.length);
    this.room -= count;
    this.taken.push(...bytes.subarray(0, count));
    return count;
  }

  end(): void {
    this.isEnded = true;
  }

  reset(): void {
    if (this.isClosed) return;
    this.isReset = true;
    this.close(new Error("reset"));
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  handle(handler: ByteStreamHandler): void {
    this.handler = handler;
  }

  close(error?: Error): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.handler?.onClose(error);
  }

  say(...bytes: readonly number[]): void {
    this.handler?.onData(Uint8Array.from(bytes));
  }

  makeRoom(bytes: number): void {
    this.room = bytes;
    this.handler?.onDrain();
  }
}

function setUp(): { readonly a: FakeStream; readonly b: FakeStream; readonly ends: SpliceEnd[] } {
  const a = new FakeStream();
  const b = new FakeStream();
  const ends: SpliceEnd[] = [];
  splice(a, b, (end) => ends.push(end));
  return { a, b, ends };
}

describe("splice()", () => {
  test("passes bytes and ends each way on its own, and tells the end once", () => {
    const { a, b, ends } = setUp();
    a.say(1, 2);
    b.say(3);
    a.handler?.onEnd();
    expect([b.isEnded, a.isEnded]).toEqual([true, false]);
    b.say(4);
    b.handler?.onEnd();
    a.close();
    expect(ends).toEqual([]);
    b.close();
    expect([a.taken, b.taken]).toEqual([
      [3, 4],
      [1, 2],
    ]);
    expect(ends).toEqual([{ bytesFromA: 2, bytesFromB: 2, error: undefined }]);
  });

  test("pauses the source while the rest waits, and ends only after it", () => {
    const { a, b } = setUp();
    b.room = 1;
    a.say(1, 2, 3);
    a.handler?.onEnd();
    expect([a.isPaused, b.isEnded, b.taken]).toEqual([true, false, [1]]);
    b.makeRoom(1);
    expect([a.isPaused, b.isEnded]).toEqual([true, false]);
    b.makeRoom(5);
    expect([b.isEnded, b.taken]).toEqual([true, [1, 2, 3]]);
  });

  test("keeps a copy of the rest, for a reader's buffer is used again", () => {
    const { a, b } = setUp();
    b.room = 1;
    const buffer = Buffer.from([1, 2, 3]);
    a.handler?.onData(buffer);
    buffer.fill(9);
    b.makeRoom(5);
    expect(b.taken).toEqual([1, 2, 3]);
  });

  test("resumes the source once the rest is gone", () => {
    const { a, b } = setUp();
    b.room = 0;
    a.say(1);
    b.makeRoom(9);
    expect([a.isPaused, b.taken]).toEqual([false, [1]]);
  });

  test("resets the other side when one fails", () => {
    const { a, b, ends } = setUp();
    const error = new Error("the wire broke");
    a.close(error);
    expect([b.isReset, ends.length, ends[0]?.error]).toEqual([true, 1, error]);
  });

  test("cuts both sides with the reason given", () => {
    const a = new FakeStream();
    const b = new FakeStream();
    const ends: SpliceEnd[] = [];
    const error = new Error("a policy changed");
    splice(a, b, (end) => ends.push(end)).cut(error);
    expect([a.isReset, b.isReset]).toEqual([true, true]);
    expect(ends).toEqual([{ bytesFromA: 0, bytesFromB: 0, error }]);
  });

  test("does not wait for a side that went away in order while bytes were waiting for it", () => {
    const { a, b, ends } = setUp();
    b.room = 0;
    a.say(1);
    b.close();
    expect([a.isReset, ends.length]).toEqual([true, 1]);
  });

  test("resets a side that goes on sending to one that is gone", () => {
    const { a, b, ends } = setUp();
    b.handler?.onEnd();
    b.close();
    expect(a.isReset).toBe(false);
    a.say(1);
    expect([a.isReset, ends.length]).toEqual([true, 1]);
  });

  test("tells how much has passed while it runs, and keeps what a source says in spite of a pause", () => {
    const a = new FakeStream();
    const b = new FakeStream();
    const running = splice(a, b);
    b.room = 1;
    a.say(1, 2);
    a.say(3);
    b.say(4);
    expect([running.bytesFromA, running.bytesFromB]).toEqual([3, 1]);
    b.makeRoom(9);
    expect(b.taken).toEqual([1, 2, 3]);
    running.cut(new Error("enough"));
  });

  test("loses and repeats nothing, however little room there is", () => {
    const step = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => ({ kind: "say" as const, bytes })),
      fc.nat(15).map((room) => ({ kind: "room" as const, room })),
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const { a, b } = setUp();
        const said: number[] = [];
        b.room = 0;
        for (const one of steps) {
          if (one.kind === "room") b.makeRoom(one.room);
          else if (!a.isPaused) {
            said.push(...one.bytes);
            a.say(...one.bytes);
          }
        }
        b.makeRoom(Number.POSITIVE_INFINITY);
        expect(b.taken).toEqual(said);
      }),
    );
  });
});
