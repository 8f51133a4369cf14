import { expect, test } from "bun:test";
import { findImage, imageId, parseImageMap } from "./image-map.ts";

test("parseImageMap() reads commands", () => {
  const map = parseImageMap(
    'web:1:\n  command: ["bun", "web.ts"]\n  args: [-v]\n  env: { PORT: 80 }\n  workingDir: /srv\ncart:\n  command: [cart]\n',
  );
  expect(map.ok && Object.fromEntries(map.value)).toEqual({
    "web:1": { command: ["bun", "web.ts"], args: ["-v"], env: { PORT: "80" }, workingDir: "/srv" },
    cart: { command: ["cart"], args: [], env: {}, workingDir: undefined },
  });
  expect(parseImageMap("").ok).toBe(true);
});

test.each([
  ["no YAML", "a: [", "Cannot read the image map as YAML"],
  ["a list", "[]", "as a mapping"],
  ["no mapping", "web: 1", 'the image "web" as a local command: it must be a mapping'],
  ["an unknown field", "web: { cmd: [a] }", '"cmd" is none of command'],
  ["no command", "web: { command: [] }", "command must be a list"],
  ["a text as command", "web: { command: a }", "command must be a list"],
  ["numbers as arguments", "web: { command: [a], args: [1] }", "args must be"],
  ["a list as variables", "web: { command: [a], env: [] }", "env must be"],
  ["a folder that is none", "web: { command: [a], workingDir: 3 }", "workingDir must be"],
])("parseImageMap() refuses %s", (_name, text, want) => {
  const map = parseImageMap(text);
  expect(map.ok ? "" : map.error.join()).toContain(want);
});

test("an image is found with or without :latest, and has one id", () => {
  const map = parseImageMap("a: { command: [x] }\nb:latest: { command: [y] }\n");
  if (!map.ok) throw new Error(map.error.join());
  expect(findImage(map.value, "a:latest")?.command).toEqual(["x"]);
  expect(findImage(map.value, "b")?.command).toEqual(["y"]);
  expect(findImage(map.value, "a:1")).toBeUndefined();
  expect(imageId("a", findImage(map.value, "a"))).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(imageId("a", undefined)).not.toBe(imageId("b", undefined));
});
