import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { FakeStream } from "./fake/fake-stream.ts";
import { lookAtFirstBytes } from "./first-bytes.ts";

/** What a new owner is told, in order. */
function takeOver(stream: Awaited<ReturnType<typeof lookAtFirstBytes>>["stream"]): string[] {
  const told: string[] = [];
  stream.handle({
    onData: (bytes) => void told.push(Buffer.from(bytes).toString()),
    onDrain: () => void told.push("drain"),
    onEnd: () => void told.push("end"),
    onClose: () => void told.push("close"),
  });
  return told;
}

test.each<[string, readonly string[], boolean]>([
  ["a request", ["GET / HTTP/1.1\r\n"], true],
  ["a request in pieces", ["G", "ET", " /"], true],
  ["a method nobody knows", ["VERSION-CONTROL /x HTTP/1.1"], true],
  ["HTTP/2", ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], false],
  ["a TLS handshake", ["\u0016\u0003\u0001"], false],
  ["a command in lower case", ["get x\r\n"], false],
  ["a command without a space", ["PING\r\n"], false],
  ["a very long word", ["A".repeat(30)], false],
])("%s is HTTP: %p", async (_name, pieces, want) => {
  const peer = new FakeStream();
  const looking = lookAtFirstBytes(peer, new FakeClock(), 100);
  for (const piece of pieces) peer.receive(piece);
  const { isHttp, stream } = await looking;
  expect([isHttp, peer.isPaused]).toEqual([want, true]);
  const told = takeOver(stream);
  peer.receive("more");
  expect(told.join("")).toBe(`${pieces.join("")}more`);
});

test("where nothing comes in time the server speaks first", async () => {
  const peer = new FakeStream();
  const clock = new FakeClock();
  const looking = lookAtFirstBytes(peer, clock, 100);
  peer.receive("GE");
  clock.advance(100);
  const { isHttp, stream } = await looking;
  expect(isHttp).toBe(false);
  expect(takeOver(stream)).toEqual(["GE"]);
});

test("an end that came early is told to the new owner", async () => {
  const peer = new FakeStream();
  const looking = lookAtFirstBytes(peer, new FakeClock(), 100);
  peer.peerEnd();
  peer.close();
  const { isHttp, stream } = await looking;
  expect(isHttp).toBe(false);
  expect(takeOver(stream)).toEqual(["end", "close"]);
});

test("what the new owner does reaches the stream", async () => {
  const peer = new FakeStream();
  const looking = lookAtFirstBytes(peer, new FakeClock(), 100);
  peer.receive("GET / ");
  const { stream } = await looking;
  stream.handle({ onData() {}, onDrain() {}, onEnd() {}, onClose() {} });
  stream.resume();
  expect(peer.isPaused).toBe(false);
  stream.pause();
  expect([peer.isPaused, stream.write(Buffer.from("answer")), peer.written]).toEqual([true, 6, "answer"]);
  stream.end();
  stream.reset();
  expect([peer.isEnded, peer.isReset]).toEqual([true, true]);
});

test("room that comes before anybody writes concerns nobody", async () => {
  const peer = new FakeStream();
  const looking = lookAtFirstBytes(peer, new FakeClock(), 100);
  peer.drain();
  peer.receive("GET / ");
  expect((await looking).isHttp).toBe(true);
});
