import { afterEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openAccountKey } from "./account-key.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function dataDir(): string {
  const folder = mkdtempSync(join(tmpdir(), "lambient-key-"));
  folders.push(folder);
  mkdirSync(join(folder, "authority"));
  return folder;
}

test("openAccountKey() makes the key once, for nobody else to read, and finds it again", () => {
  const folder = dataDir();
  const first = openAccountKey(folder);
  expect(openAccountKey(folder).equals(first)).toBe(true);
  expect(statSync(join(folder, "authority/account-key.pem")).mode & 0o777).toBe(0o600);
});

test("openAccountKey() says what to do about a file that is no key, and keeps it", () => {
  const folder = dataDir();
  const file = join(folder, "authority/account-key.pem");
  writeFileSync(file, "nonsense");
  expect(() => openAccountKey(folder)).toThrow(
    /Cannot read .*account-key\.pem" as a private key.*restore it/,
  );
  expect(statSync(file).size).toBe("nonsense".length);
});
