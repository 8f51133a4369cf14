/** Rules of the tree that no linter knows: who may import whom, what core may touch, how a file begins and ends. Each failure names file and reason. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const root = join(import.meta.dir, "..");

/** A layer: what is below may be imported, nothing else. */
interface Layer {
  readonly name: string;
  readonly folder: string;
  readonly may: readonly string[];
}

const layers: readonly Layer[] = [
  { name: "core", folder: "runtime/core", may: ["core"] },
  { name: "host", folder: "runtime/host", may: ["core", "host"] },
  { name: "isolate", folder: "runtime/isolate", may: ["core", "host", "isolate"] },
  { name: "examples", folder: "functions/examples", may: ["examples"] },
  { name: "ztunnel", folder: "ztunnel", may: ["core", "host", "isolate", "ztunnel"] },
  { name: "waypoint", folder: "waypoint", may: ["core", "host", "isolate", "waypoint"] },
  { name: "functions", folder: "functions", may: ["core", "host", "isolate", "functions"] },
  { name: "k8s", folder: "k8s", may: ["core", "host", "isolate", "k8s"] },
  {
    name: "cli",
    folder: "runtime/cli",
    may: ["core", "host", "isolate", "ztunnel", "waypoint", "functions", "k8s", "cli"],
  },
];

const aliases: Readonly<Record<string, string>> = {
  "#core/": "runtime/core/",
  "#host/": "runtime/host/",
  "#isolate/": "runtime/isolate/",
};

/** Sources by their path below the root; generated ones are not ours to judge. */
const sources: ReadonlyMap<string, string> = readSources();
const products = [...sources].filter(([path]) => layerOf(path) !== undefined);

function readSources(): Map<string, string> {
  const found = new Map<string, string>();
  for (const folder of ["runtime", "ztunnel", "waypoint", "functions", "k8s", "tests", "scripts"]) {
    for (const path of new Bun.Glob("**/*.ts").scanSync(join(root, folder))) {
      if (!path.endsWith("_pb.d.ts"))
        found.set(`${folder}/${path}`, readFileSync(join(root, folder, path), "utf8"));
    }
  }
  return found;
}

function layerOf(path: string): Layer | undefined {
  return layers.find(({ folder }) => path.startsWith(`${folder}/`));
}

function isTest(path: string): boolean {
  return path.endsWith(".test.ts") || path.startsWith("tests/");
}

/** What a file imports, types as well, which a transpiler would drop. */
function importsOf(text: string): string[] {
  const code = withoutComments(text);
  const patterns = [
    /^\s*(?:import|export)\b[^;"]*?\bfrom\s+"([^"]+)"/gm,
    /^\s*import\s+"([^"]+)"/gm,
    /\bimport\(\s*"([^"]+)"/g,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] ?? ""));
}

/** Where an import leads, below the root; undefined for packages and built-ins. */
function targetOf(from: string, specifier: string): string | undefined {
  for (const [alias, folder] of Object.entries(aliases)) {
    if (specifier.startsWith(alias)) return folder + specifier.slice(alias.length);
  }
  if (!specifier.startsWith(".")) return undefined;
  return relative(root, join(root, dirname(from), specifier));
}

test("the tree has sources", () => {
  expect(products.length).toBeGreaterThan(100);
});

test("imports follow the arrows", () => {
  const wrong: string[] = [];
  for (const [path, text] of products) {
    const layer = layerOf(path);
    for (const specifier of importsOf(text)) {
      const target = targetOf(path, specifier);
      const other = target === undefined ? undefined : layerOf(target);
      if (layer === undefined || target === undefined) continue;
      if (other === undefined) {
        if (!isTest(path)) wrong.push(`${path} imports ${target}, which is no part of the product`);
      } else if (!layer.may.includes(other.name))
        wrong.push(`${path} (${layer.name}) imports ${target} (${other.name})`);
    }
  }
  expect(wrong).toEqual([]);
});

test("an import that crosses a folder's boundary says so with #", () => {
  const wrong: string[] = [];
  for (const [path, text] of products) {
    const layer = layerOf(path);
    for (const specifier of importsOf(text)) {
      if (!specifier.startsWith(".") || isTest(path)) continue;
      const other = layerOf(targetOf(path, specifier) ?? "");
      if (other !== undefined && other !== layer) wrong.push(`${path} imports ${specifier}`);
    }
  }
  expect(wrong).toEqual([]);
});

const forbiddenImports = /^(node:|bun$|bun:|hono|jose|#host\/|#isolate\/)/;
const forbiddenGlobals =
  /(?<![\w.$])(Bun|process|fetch|setTimeout|setInterval|setImmediate|performance|crypto|console|Buffer)\s*[.(]|\bnew Date\b|\bDate\.|\bMath\.random\b|\basync\s|\bawait\s/;

test("core is pure: no input or output, clock, chance, or waiting", () => {
  const wrong: string[] = [];
  for (const [path, text] of products) {
    if (!path.startsWith("runtime/core/") || isTest(path)) continue;
    for (const specifier of importsOf(text)) {
      if (forbiddenImports.test(specifier)) wrong.push(`${path} imports ${specifier}`);
    }
    const found = forbiddenGlobals.exec(withoutComments(text));
    if (found !== null) wrong.push(`${path} uses ${found[0].trim()}`);
  }
  expect(wrong).toEqual([]);
});

test("every file opens with a doc comment of what it is", () => {
  const wrong = [...sources].filter(([path, text]) => !opensWithComment(path, text)).map(([path]) => path);
  expect(wrong).toEqual([]);
});

function opensWithComment(path: string, text: string): boolean {
  // Beside its source a test explains itself by its name.
  return path.endsWith(".test.ts") || text.replace(/^#!.*\n/, "").startsWith("/**");
}

test("every export has a doc comment", () => {
  const wrong: string[] = [];
  for (const [path, text] of products) {
    if (isTest(path) || path.startsWith("functions/examples/")) continue;
    const lines = text.split("\n");
    lines.forEach((line, index) => {
      if (!/^export (async function\*?|function\*?|abstract class|class|interface|type|const) /.test(line))
        return;
      const before = (lines[index - 1] ?? "").trim();
      // Overloads stand together under one comment.
      if (!before.endsWith("*/") && !/^export function \w+.*;$/.test(before))
        wrong.push(`${path}:${index + 1}: ${line}`);
    });
  }
  expect(wrong).toEqual([]);
});

test("no file is longer than 300 lines, tests aside", () => {
  const long = [...sources]
    .filter(([path, text]) => !isTest(path) && text.split("\n").length - 1 > 300)
    .map(([path, text]) => `${path}: ${text.split("\n").length - 1}`);
  expect(long).toEqual([]);
});

test("no default exports outside the examples, which are written as users write functions", () => {
  const wrong = products
    .filter(
      ([path, text]) =>
        layerOf(path)?.name !== "examples" && /^export default\b/m.test(withoutComments(text)),
    )
    .map(([path]) => path);
  expect(wrong).toEqual([]);
});

test("no barrels: a file that only passes on what others export", () => {
  const wrong = products
    .filter(([, text]) => {
      const code = withoutComments(text).trim();
      return (
        code !== "" &&
        code
          .split(/;\s*\n?/)
          .every((line) => line === "" || /^\s*export\s+(type\s+)?(\*|\{[^}]*\})\s+from/.test(line))
      );
    })
    .map(([path]) => path);
  expect(wrong).toEqual([]);
});

const forbiddenWords = /TODO|FIXME|XXX:|HACK|placeholder|for now\b/;

test("nothing is left for later", () => {
  const wrong: string[] = [];
  for (const [path, text] of sources) {
    if (path === "tests/architecture.test.ts") continue; // it says the words
    text.split("\n").forEach((line, index) => {
      if (forbiddenWords.test(line)) wrong.push(`${path}:${index + 1}: ${line.trim()}`);
    });
  }
  expect(wrong).toEqual([]);
});

test("no test is skipped without saying why, and none is left alone", () => {
  const wrong: string[] = [];
  for (const [path, text] of sources) {
    if (!path.endsWith(".test.ts")) continue;
    if (/\b(test|describe)\.only\b/.test(text)) wrong.push(`${path}: only`);
    if (/\b(test|describe)\.(skip|todo)\b\(/.test(text)) wrong.push(`${path}: skip`);
  }
  expect(wrong).toEqual([]);
});

function withoutComments(text: string): string {
  return text
    .replaceAll(/\/\*[\s\S]*?\*\//g, "")
    .replaceAll(/^\s*\/\/.*$/gm, "")
    .replaceAll(/\s\/\/ .*$/gm, "");
}
