import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { formatManifestErrors, parseManifest } from "./read-manifest.ts";

const small = `{
  // the shop
  "namespace": "shop",
  "functions": {
    "web": { "main": "web.ts", },
  },
}`;

test("parseManifest() takes comments and trailing commas and fills in the defaults", () => {
  expect(parseManifest(small)).toEqual({
    ok: true,
    value: {
      namespace: "shop",
      group: "waypoint",
      manifests: [],
      functions: {
        web: {
          main: "web.ts",
          engine: "bun",
          env: {},
          secrets: {},
          bindings: [],
          scale: {},
          limits: {},
          egress: "ALLOW_ANY",
          schedules: [],
        },
      },
    },
  });
});

/** One function's text on line 3, so that every error's position is known. */
const web = (body: string): string =>
  `{ "namespace": "shop",\n  "functions": {\n    "web": { "main": "w.ts", ${body} } } }`;

test.each([
  ["an unknown field", web(`"scal": {}`), '3:30: functions.web.scal: unknown field (did you mean "scale"?)'],
  [
    "a field two levels down",
    web(`"scale": { "idleMS": 5 }`),
    '3:41: functions.web.scale.idleMS: unknown field (did you mean "idleMs"?)',
  ],
  ["a wrong type", web(`"env": { "A": 1 }`), "3:39: functions.web.env.A: must be a string, got 1"],
  ["a wrong engine", web(`"engine": "node"`), '3:30: functions.web.engine: must be one of "bun", got "node"'],
  [
    "a wrong egress",
    web(`"egress": "NONE"`),
    '3:30: functions.web.egress: must be "ALLOW_ANY" or a list of destinations, got "NONE"',
  ],
  [
    "percents that do not add up",
    web(`"traffic": [{ "revision": "v1", "percent": 90 }]`),
    "3:30: functions.web.traffic: the percents must add up to 100, got 90",
  ],
  [
    "an element of a list",
    web(`"bindings": [{ "name": "A" }]`),
    '3:43: functions.web.bindings.0: the field "function" is missing',
  ],
  ["a field twice", web(`"main": "x.ts"`), "3:14: functions.web.main: the same name is there twice"],
  [
    "a namespace that is no name",
    `{ "namespace": "My Shop", "functions": {} }`,
    '1:3: namespace: must be lower-case letters, digits and dashes, at most 63, got "My Shop"',
  ],
  ["nothing that is needed", `{ "namespace": "shop" }`, '1:1: the field "functions" is missing'],
  ["no JSON", `{ "namespace": shop }`, "1:16: not JSON with comments: invalid symbol"],
  ["an empty file", "", "1:1: not JSON with comments: value expected"],
])("parseManifest() names line, field and wish: %s", (_, text, want) => {
  const read = parseManifest(text);
  expect(read.ok ? "" : formatManifestErrors("f", read.error)).toBe(`f:${want}`);
});

test("parseManifest() never throws", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.json().map((json) => web(`"scale": ${json}`)),
      ),
      (text) => {
        expect(typeof parseManifest(text).ok).toBe("boolean");
      },
    ),
  );
});
