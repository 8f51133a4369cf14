import { afterEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LogFolder } from "./log-folder.ts";

const folders: string[] = [];

function open(path = mkdtempSync(join(tmpdir(), "log-folder-"))) {
  folders.push(path);
  return { path, folder: new LogFolder(path, { fileBytesMax: 10, filesMax: 3 }) };
}

afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

test("the end is after everything written, in the file that is written", () => {
  const { path, folder } = open();
  expect(folder.end).toEqual({ file: 0, offset: 0 });
  folder.append("12345\n");
  const first = folder.end;
  expect(first.offset).toBe(6);
  folder.append("67890\n");
  expect(folder.end).toEqual({ file: first.file + 1, offset: 6 });
  expect(folder.readFrom(first, 100)).toEqual({ lines: ["67890"], cursor: folder.end });
  expect(open(path).folder.end).toEqual(folder.end);
});

test("what cannot be written is told and leaves nothing behind", () => {
  const { path, folder } = open();
  folder.append("12345\n");
  const [name = ""] = readdirSync(path);
  rmSync(join(path, name));
  mkdirSync(join(path, name));
  expect(() => folder.append("x\n")).toThrow("EISDIR");
  expect(folder.bytes).toBe(6);
});
