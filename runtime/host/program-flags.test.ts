/** Which text of a flag counts, and which arguments are refused. */
import { expect, test } from "bun:test";
import { commonFlags, readTexts } from "./program-flags.ts";

const environment = { LAMBIENT_NODE: "node-1", LAMBIENT_RUN_DIR: "/run/environment" };

test("a flag counts before its variable, and that before the default", () => {
  const texts = readTexts(["--run-dir", "/run/flag"], environment, commonFlags);
  expect(texts).toEqual({
    ok: true,
    value: { ...commonFlags, "run-dir": "/run/flag", node: "node-1" },
  });
});

test.each([[["--runn-dir", "/x"]], [["word"]], [["--node"]]])("refuses %p", (argv) => {
  const texts = readTexts(argv, {}, commonFlags);
  expect(texts.ok ? "" : texts.error).toStartWith("Cannot read the arguments as flags: ");
});
