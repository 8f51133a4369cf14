import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ContainerLog, type LogReading } from "./container-log.ts";

const folder = mkdtempSync(join(tmpdir(), "container-log-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let logs = 0;
const open = (fileBytesMax = 1 << 20): ContainerLog =>
  new ContainerLog(join(folder, `${logs++}`, "0.log"), { fileBytesMax });
const never = new AbortController().signal;

async function read(log: ContainerLog, reading: Partial<LogReading> = {}): Promise<string> {
  let text = "";
  for await (const line of log.read({ follow: false, signal: never, ...reading })) {
    text += line.text + (line.isWhole ? "\n" : "");
  }
  return text;
}

test("a log gives what was written, as it is cut", async () => {
  const log = open();
  log.append("stdout", Buffer.from("a\nb"), 1000);
  log.append("stdout", Buffer.from("c\n"), 2000);
  log.append("stderr", Buffer.from("d\n"), 3000);
  expect(await read(log)).toBe("a\nbc\nd\n");
  expect(await read(log, { tailLines: 2 })).toBe("bc\nd\n");
  expect(await read(log, { tailLines: 0 })).toBe("");
  expect(await read(log, { tailLines: 99 })).toBe("a\nbc\nd\n");
  expect(await read(log, { sinceTimeMs: 3000 })).toBe("d\n");
});

test("a log that nobody wrote is empty", async () => {
  expect(await read(open())).toBe("");
});

test("a log continues where an earlier program left it", async () => {
  const log = open();
  log.append("stdout", Buffer.from("a\n"), 1000);
  const next = new ContainerLog(log.path);
  next.append("stdout", Buffer.from("b\n"), 2000);
  expect(await read(next)).toBe("a\nb\n");
});

test("a log keeps at most two files of its size", async () => {
  const log = open(1000);
  for (let i = 0; i < 100; i++) log.append("stdout", Buffer.from(`line ${i}\n`), i);
  const files = readdirSync(join(log.path, ".."));
  expect(files.sort()).toEqual(["0.log", "0.log.1"]);
  for (const name of files) expect(statSync(join(log.path, "..", name)).size).toBeLessThanOrEqual(1000);
  const text = await read(log);
  expect(text.endsWith("line 98\nline 99\n")).toBe(true);
  expect(text.startsWith("line 0\n")).toBe(false);
});

test("a follower sees every line once, through a rotation, until the end", async () => {
  const log = open(400);
  log.append("stdout", Buffer.from("line 0\n"), 0);
  const following = read(log, { follow: true });
  let want = "line 0\n";
  for (let i = 1; i < 12; i++) {
    log.append("stdout", Buffer.from(`line ${i}\n`), i);
    want += `line ${i}\n`;
    await Bun.sleep(0); // one turn, in which the follower catches up
    await Bun.sleep(0);
  }
  log.end();
  expect(await following).toBe(want);
});

test("a follower lets go when it is told to", async () => {
  const log = open();
  const ending = new AbortController();
  const following = read(log, { follow: true, signal: ending.signal });
  ending.abort();
  expect(await following).toBe("");
});
