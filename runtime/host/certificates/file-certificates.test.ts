/** Certificates from a folder: read at the start, read again when written anew, refused when they do not fit. */
import { afterEach, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { makeTestCa, spiffeId } from "../../../tests/support/test-ca.ts";
import { fileCertificates } from "./file-certificates.ts";

const web = spiffeId("ns/shop/sa/web");
const cart = spiffeId("ns/shop/sa/cart");
const folders: string[] = [];

function folderWith(identities: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "lambient-certificates-"));
  folders.push(folder);
  makeTestCa().writeFiles(folder, identities);
  return folder;
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

test("every certificate of the folder is held under the identity it names", async () => {
  const source = fileCertificates({
    folder: folderWith({ a: web, b: cart }),
    clock: new FakeClock(Date.now()),
  });
  expect([...source.states().keys()].sort()).toEqual([cart, web]);
  expect((await source.get(web)).identity).toBe(web);
  const error = await source.get(spiffeId("ns/shop/sa/none")).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "not-found" });
});

test("files written anew are taken at the next look; a broken one leaves the last good", () => {
  const clock = new FakeClock(Date.now());
  const folder = folderWith({ a: web });
  const failures: string[] = [];
  const source = fileCertificates({ folder, clock, onFailure: (_, error) => failures.push(error.message) });
  const first = source.peek(web);
  const changes: string[] = [];
  source.onChange((identity) => changes.push(identity));
  cpSync(folderWith({ a: web }), folder, { recursive: true });
  clock.advance(1000);
  const second = source.peek(web);
  expect(second?.serial).not.toBe(first?.serial);
  expect(changes).toEqual([web]);
  writeFileSync(join(folder, "a.pem"), "-----BEGIN CERTIFICATE-----\n");
  clock.advance(1000);
  expect(source.peek(web)).toBe(second);
  expect(failures).toEqual([
    "Cannot read PEM as CERTIFICATE: block 1 is unfinished, not base64 or one too many",
  ]);
});

test("a folder of more certificates than may lie in it is refused, at a later look without losing what is held", () => {
  const clock = new FakeClock(Date.now());
  const folder = folderWith({ a: web, b: cart });
  const open = () =>
    fileCertificates({ folder, clock, filesMax: 1, onFailure: (_, { message }) => told.push(message) });
  const told: string[] = [];
  const tooMany = "Cannot read more than 1 certificates: 2";
  expect(open).toThrow(expect.objectContaining({ code: "limit-reached", message: tooMany }));
  const [key, chain] = ["b.key", "b.pem"].map((file) => join(folder, file)) as [string, string];
  const kept = [readFileSync(key), readFileSync(chain)] as const;
  for (const path of [key, chain]) rmSync(path);
  const source = open();
  expect(source.peek(web)?.identity).toBe(web);
  writeFileSync(chain, kept[1]);
  writeFileSync(key, kept[0]);
  clock.advance(1000);
  expect(told).toEqual([tooMany]);
  expect([source.peek(web)?.identity, source.peek(cart)]).toEqual([web, undefined]);
  for (const name of ["a.key", "a.pem"]) rmSync(join(folder, name));
  clock.advance(1000);
  expect([source.peek(web), source.peek(cart)?.identity]).toEqual([undefined, cart]);
  expect(told).toHaveLength(1);
  source.close();
});

test("a key of another certificate is refused at the start", () => {
  const folder = folderWith({ a: web });
  cpSync(join(folderWith({ a: web }), "a.key"), join(folder, "a.key"));
  expect(() => fileCertificates({ folder, clock: new FakeClock() })).toThrow(
    "Cannot use a key with a certificate that is of another key",
  );
});

test("an expired certificate is given to nobody, but kept until the files change", async () => {
  const clock = new FakeClock(Date.now());
  const folder = folderWith({ a: web });
  const source = fileCertificates({ folder, clock });
  expect([source.prefetch(web), source.prefetch(cart)]).toEqual([true, false]);
  clock.advance(2 * 3_600_000);
  source.forget(web);
  expect(source.peek(web)).toBeUndefined();
  expect(source.states().get(web)?.kind).toBe("expired");
  const error = await source.get(web).catch((thrown: unknown) => thrown);
  expect(error).toHaveProperty("message", `Cannot use a certificate of ${web} from "${folder}": it expired`);
  source.close();
  expect(clock.pending).toBe(0);
});
