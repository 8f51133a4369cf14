import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleFunction, findProjectRoot } from "./bundle-function.ts";
import { type BundlerSandbox, openBundlerSandbox } from "./bundler-sandbox.ts";

let folder: string;
let sandbox: BundlerSandbox;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "bundle-"));
  sandbox = await openBundlerSandbox();
});
afterAll(() => {
  sandbox[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

function write(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
  return path;
}

test("a module with imports becomes one file, the same one each time, from a folder closed to others", async () => {
  write("part.ts", "export const word: string = 'hello';");
  write("node_modules/dep/package.json", '{ "name": "dep", "version": "1.0.0", "main": "index.js" }');
  write("node_modules/dep/index.js", "export const other = 'world';");
  const main = write(
    "src/main.ts",
    "import { word } from '../part.ts'; import { other } from 'dep'; export default { fetch: () => new Response(word + other) };",
  );
  chmodSync(main, 0o600);
  const first = await bundleFunction(sandbox, "web", main);
  const second = await bundleFunction(sandbox, "web", main);
  expect(second.digest).toBe(first.digest);
  const file = write("out/bundle.js", Buffer.from(first.code).toString("utf8"));
  const module = (await import(file)) as { readonly default: { fetch(): Response } };
  expect(await module.default.fetch().text()).toBe("helloworld");
});

test.each([
  ["a module that does not parse", "export default { fetch(", "Expected identifier but found end of file"],
  ["an import that is not there", "import x from 'nope'; export default x;", 'Could not resolve: "nope"'],
  [
    "a macro",
    "import { f } from './m.ts' with { type: 'macro' }; export default f();",
    "Macros are disabled",
  ],
] as const)("bundleFunction() says what is wrong: %s", async (_, text, want) => {
  write("m.ts", "export function f() { return 1; }");
  const main = write(`bad-${Bun.hash(text)}.ts`, text);
  const error = await bundleFunction(sandbox, "web", main).catch((failed: unknown) => failed);
  const { message } = error as Error;
  expect(message).toStartWith(`Cannot bundle the function "web" from ${main}:\n`);
  expect(message).toContain(want);
});

test("a main that is not there is named", async () => {
  const error = await bundleFunction(sandbox, "web", join(folder, "no.ts")).catch(
    (failed: unknown) => failed,
  );
  expect(error).toMatchObject({ code: "bad-input", message: expect.stringContaining("no.ts") });
});

test("what lies outside the project cannot be bundled in", async () => {
  const main = write(
    "thief.ts",
    "import t from '/etc/passwd' with { type: 'text' }; export default { fetch: () => new Response(t) };",
  );
  const error = await bundleFunction(sandbox, "thief", main).catch((failed: unknown) => failed);
  expect(error).toMatchObject({ message: expect.stringContaining('Could not resolve: "/etc/passwd"') });
});

test("findProjectRoot() is the outermost package", () => {
  const main = write("a/b/c/main.ts", "");
  write("a/package.json", "{}");
  write("a/b/package.json", "{}");
  // The test's folder has node_modules of its own, from the first test or not.
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  expect(findProjectRoot(main)).toBe(folder);
});
