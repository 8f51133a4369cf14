import { expect, test } from "bun:test";
import { err, ok } from "#core/result.ts";
import type { Volume } from "../../model/volume.ts";
import { volumeFiles, type VolumeSources } from "./volume-files.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const objects = new Map([
  [
    "cfg",
    new Map([
      ["a", bytes("1")],
      ["b", bytes("2")],
    ]),
  ],
]);
const sources: VolumeSources = {
  configMap: (name) => objects.get(name),
  secret: (name) => objects.get(name),
  field: (path) => (path === "metadata.name" ? ok("web") : err(`no ${path}`)),
  resource: ({ resource }) => ok(resource),
  token: (path) => (path === "token" ? "jwt" : undefined),
};

test.each<[string, Omit<Volume, "name">, Record<string, string> | string | undefined]>([
  ["every key", { configMap: { name: "cfg" } }, { a: "1", b: "2" }],
  [
    "keys of a Secret at other paths, with modes",
    { secret: { secretName: "cfg", items: [{ key: "a", path: "x/y", mode: 0o400 }] } },
    { "x/y": "1 400" },
  ],
  ["a missing object", { configMap: { name: "no" } }, 'configmap "no" not found'],
  ["a missing optional object", { secret: { secretName: "no", optional: true } }, {}],
  [
    "a missing key",
    { configMap: { name: "cfg", items: [{ key: "z", path: "z" }] } },
    "configmap references non-existent config key: z",
  ],
  [
    "a missing optional key",
    { configMap: { name: "cfg", optional: true, items: [{ key: "z", path: "z" }] } },
    {},
  ],
  [
    "a path that leads out",
    { configMap: { name: "cfg", items: [{ key: "a", path: "../z" }] } },
    `invalid path "../z": it must be relative and must not contain '..'`,
  ],
  [
    "an absolute path",
    { configMap: { name: "cfg", items: [{ key: "a", path: "/z" }] } },
    `invalid path "/z": it must be relative and must not contain '..'`,
  ],
  [
    "fields",
    {
      downwardAPI: {
        items: [
          { path: "n", fieldRef: { fieldPath: "metadata.name" } },
          { path: "c", resourceFieldRef: { resource: "limits.cpu" } },
        ],
      },
    },
    { n: "web", c: "limits.cpu" },
  ],
  ["an unknown field", { downwardAPI: { items: [{ path: "n", fieldRef: { fieldPath: "x" } }] } }, "no x"],
  [
    "parts together",
    {
      projected: {
        sources: [
          { configMap: { name: "cfg" } },
          { serviceAccountToken: { path: "token" } },
          { downwardAPI: { items: [{ path: "a", fieldRef: { fieldPath: "metadata.name" } }] } },
        ],
      },
    },
    { a: "web", b: "2", token: "jwt" },
  ],
  [
    "a token that is not there yet",
    { projected: { sources: [{ serviceAccountToken: { path: "other" } }] } },
    "no service account token for other yet",
  ],
  ["a volume of another kind", { emptyDir: {} }, undefined],
])("volumeFiles(): %s", (_name, volume, want) => {
  const files = volumeFiles({ name: "v", ...volume }, sources);
  const shown =
    files?.ok === true
      ? Object.fromEntries([...files.value].map(([path, file]) => [path, show(file)]))
      : files?.error;
  expect(shown).toEqual(want);
});

function show(file: { readonly bytes: Uint8Array; readonly mode?: number }): string {
  const text = new TextDecoder().decode(file.bytes);
  return file.mode === undefined ? text : `${text} ${file.mode.toString(8)}`;
}
