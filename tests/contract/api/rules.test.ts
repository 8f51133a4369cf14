/** Rules of definitions (`x-kubernetes-validations`) and their schemas: what is refused when a definition is written, and when an object is. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, textOf } from "./api-under-test.ts";
import { openScene, type Scene, until } from "./scene.ts";

const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

let scene: Scene;
const made: string[] = [];
beforeAll(async () => {
  scene = await openScene("rules");
});
afterAll(async () => {
  for (const name of made) await scene.api.ask("DELETE", `${definitions}/${name}`);
  await scene[Symbol.asyncDispose]();
});

const group = `g${crypto.randomUUID().slice(0, 8)}.rules.test`;
let serial = 0;

function definitionOf(plural: string, schema: object): object {
  const kind = `K${plural}`;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural, singular: plural, kind },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  };
}

/** Writes a definition whose objects have a `spec`. */
async function define(spec: object, root: object = {}): Promise<readonly [Answer, plural: string]> {
  const plural = `r${++serial}`;
  const schema = { type: "object", properties: { spec }, ...root };
  const answer = await scene.api.ask("POST", definitions, definitionOf(plural, schema));
  if (answer.status === 201) made.push(`${plural}.${group}`);
  return [answer, plural];
}

/** The refusal's text without what differs from run to run. */
function told({ status, body }: Answer): string {
  if (status < 400) return "taken";
  return textOf(body["message"])
    .replace(/^.*? is invalid: /, "")
    .replaceAll("spec.validation.openAPIV3Schema.properties[spec]", "SCHEMA")
    .replaceAll(/selfType\d+|object(?=\.\w+,)/g, "TYPE");
}

const properties = {
  a: { type: "integer" },
  s: { type: "string", maxLength: 20 },
  l: { type: "array", maxItems: 10, items: { type: "string", maxLength: 10 } },
  m: { type: "object", maxProperties: 5, additionalProperties: { type: "integer" } },
  d: { type: "string", format: "date-time" },
  n: { type: "number" },
  none: { type: "string", maxLength: 3 },
  "x-y": { type: "string", maxLength: 5 },
  ios: { "x-kubernetes-int-or-string": true },
  o: { type: "object", properties: { q: { type: "boolean" } } },
  free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
  lm: {
    type: "array",
    maxItems: 5,
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["k"],
    items: {
      type: "object",
      required: ["k"],
      properties: { k: { type: "string", maxLength: 5 }, v: { type: "integer" } },
    },
  },
} as const;

const at = "SCHEMA.x-kubernetes-validations[0]";

function shown(rule: string, messageExpression = ""): string {
  return JSON.stringify({
    Rule: rule,
    Message: "",
    MessageExpression: messageExpression,
    Reason: null,
    FieldPath: "",
    OptionalOldSelf: null,
  }).replaceAll(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
}

describe("an expression that is wrong is refused with its definition", () => {
  test.each([
    ["self.b > 1", 5, "undefined field 'b'"],
    ['self.a + self.s == "x"', 8, "found no matching overload for '_+_' applied to '(int, string)'"],
    ["foo == 1", 1, "undeclared reference to 'foo' (in container '')"],
    ["self.s.foo()", 11, "undeclared reference to 'foo' (in container '')"],
    ['"a" == 1', 5, "found no matching overload for '_==_' applied to '(string, int)'"],
    ["self.a == 1 && nope(1)", 20, "undeclared reference to 'nope' (in container '')"],
    ["self.l.all(x, x.a)", 16, "type 'string' does not support field selection"],
    ["self.free.z == 1", 10, "undefined field 'z'"],
    ["size(self.a) > 1", 5, "found no matching overload for 'size' applied to '(int)'"],
    ["self.m.b.c == 1", 9, "type 'int' does not support field selection"],
    ["self.l[0] == 1", 11, "found no matching overload for '_==_' applied to '(string, int)'"],
    ["x.y.z", 1, "undeclared reference to 'x' (in container '')"],
    ["1 + 1.0 == 2.0", 3, "found no matching overload for '_+_' applied to '(int, double)'"],
    ["self.a == 1.0", 8, "found no matching overload for '_==_' applied to '(int, double)'"],
    ['self.d > "x"', 8, "found no matching overload for '_>_' applied to '(timestamp, string)'"],
    ['self.metadata.name == "x"', 5, "undefined field 'metadata'"],
    [
      "self.l.isSorted() && self.l.sum() == 1",
      32,
      "found no matching overload for 'sum' applied to 'list(string).()'",
    ],
  ])("%s", async (rule, column, why) => {
    const [answer] = await define({ type: "object", properties, "x-kubernetes-validations": [{ rule }] });
    const pointed = `ERROR: <input>:1:${column}: ${why}\n | ${rule}\n | ${".".repeat(column - 1)}^`;
    expect(told(answer)).toBe(`${at}.rule: Invalid value: ${shown(rule)}: compilation failed: ${pointed}`);
  });

  test("syntax is told by its place", async () => {
    const rules = [{ rule: "self.a >" }];
    const [answer] = await define({ type: "object", properties, "x-kubernetes-validations": rules });
    expect(told(answer)).toStartWith(
      `${at}.rule: Invalid value: ${shown("self.a >")}: compilation failed: ERROR: <input>:1:9: Syntax error: `,
    );
  });

  test.each<[string, object, string]>([
    [
      "no bool",
      { rule: "self.a" },
      `${at}.rule: Invalid value: ${shown("self.a")}: cel expression must evaluate to a bool`,
    ],
    ["nothing", { rule: "" }, `${at}.rule: Required value: rule is not specified`],
    [
      "lines",
      { rule: "self.a > 1\n && self.a > 2" },
      `${at}.message: Required value: message must be specified if rule contains line breaks`,
    ],
    [
      "a broken message",
      { rule: "self.a > 1", message: "x\ny" },
      `${at}.message: Invalid value: "x\\ny": must not contain line breaks`,
    ],
    [
      "an unknown reason",
      { rule: "self.a > 1", reason: "Foo" },
      `${at}.reason: Unsupported value: "Foo": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"`,
    ],
    [
      "an unknown field",
      { rule: "self.a > 1", fieldPath: ".zz" },
      `${at}.fieldPath: Invalid value: ".zz": must be a valid path`,
    ],
    [
      "no path",
      { rule: "self.a > 1", fieldPath: "a" },
      `${at}.fieldPath: Invalid value: "a": must be a valid path`,
    ],
    [
      "an old self that it does not use",
      { rule: "self.a > 1", optionalOldSelf: true },
      `${at}.optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule`,
    ],
    [
      "a message that is none",
      { rule: "self.a > 1", messageExpression: "1" },
      `${at}.messageExpression: Invalid value: ${shown("self.a > 1", "1")}: messageExpression must evaluate to a string`,
    ],
  ])("a rule of %s", async (_, rule, want) => {
    const [answer] = await define({ type: "object", properties, "x-kubernetes-validations": [rule] });
    expect(told(answer)).toBe(want);
  });

  test("what was cannot be asked for where it cannot be found", async () => {
    const items = { type: "integer", "x-kubernetes-validations": [{ rule: "self > oldSelf" }] };
    const l = { type: "array", maxItems: 4, items };
    const [answer] = await define({ type: "object", properties: { l } });
    expect(told(answer)).toBe(
      'SCHEMA.properties[l].items.x-kubernetes-validations[0].rule: Invalid value: "self > oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within SCHEMA.properties[l]',
    );
  });
});

/** Answers an object of a fresh definition. */
async function write(schema: object, spec: object, root: object = {}): Promise<Answer> {
  const [answer, plural] = await define(schema, root);
  expect(told(answer)).toBe("taken");
  return writeObject("POST", plural, spec);
}

async function writeObject(method: string, plural: string, spec: object, more: object = {}): Promise<Answer> {
  const path = scene.path(plural, `${group}/v1`);
  const body = { apiVersion: `${group}/v1`, kind: `K${plural}`, metadata: { name: "x", ...more }, spec };
  return until(async () => {
    const answer = await scene.api.ask(method, method === "POST" ? path : `${path}/x`, body);
    // A definition is served a moment after it is there.
    const isServed = answer.status !== 404 || textOf(answer.body["message"]).includes("not found");
    return isServed ? answer : undefined;
  });
}

const full = {
  a: 1,
  s: "100Mi",
  l: ["b", "a"],
  m: { b: 1 },
  d: "2020-01-01T00:00:00Z",
  n: 1.5,
  "x-y": "a",
  ios: "x",
  o: { q: true },
  lm: [
    { k: "a", v: 1 },
    { k: "b", v: 2 },
  ],
};

describe("a rule that holds", () => {
  test("of every kind of value", async () => {
    const rules = [
      "self.a == 1 && self.n == 1.5 && self.n > 1 && !has(self.free)",
      'self.l == ["b", "a"] && self.l.exists(x, x == "a") && self.l.exists_one(x, x == "b") && !self.l.isSorted()',
      'self.m == {"b": 1} && self.m.all(k, self.m[k] > 0) && "b" in self.m && !("z" in self.m)',
      'self.d < timestamp("2021-01-01T00:00:00Z") && self.d.getFullYear() == 2020',
      'self.x__dash__y == "a" && self.ios == "x" && type(self.ios) == string',
      "self.o.q && self.o == self.o && has(self.o.q)",
      'self.lm.filter(x, x.v > 1).map(x, x.k) == ["b"] && self.lm.all(x, x.v > 0)',
      'self.lm.exists(x, x.k == "a" && x.v == 1)',
      'quantity(self.s).isLessThan(quantity("1Gi")) && isQuantity("5k") && !isQuantity("x")',
      'quantity("1").add(quantity("1")).asInteger() == 2 && quantity("1Gi") == quantity("1024Mi")',
      'isURL("https://a.b:80/c?d=e") && url("https://a.b:80/c?d=e").getHost() == "a.b:80" && url("https://a.b:80/c").getPort() == "80"',
      'url("/c?d=e").getQuery()["d"] == ["e"] && url("/c").getEscapedPath() == "/c" && url("/c").getHost() == ""',
      'isIP("::1") && !isIP("1.2.3") && ip("::1").isLoopback() && ip("10.0.0.1").family() == 4 && !ip.isCanonical("::0001")',
      'cidr("10.0.0.0/8").containsIP("10.1.2.3") && cidr("10.0.0.0/8").containsCIDR("10.1.0.0/16") && string(cidr("10.1.2.3/8").masked()) == "10.0.0.0/8"',
      '"a1b2".find("[0-9]") == "1" && "a1b2".findAll("[0-9]") == ["1", "2"] && "abc".matches("^a.c$")',
      '"%s has %d".format([self.s, self.a]) == "100Mi has 1" && self.l.join(",") == "b,a"',
      '"a,b".split(",") == ["a", "b"] && "abc".replace("b", "-") == "a-c" && "aBc".lowerAscii() == "abc" && " a ".trim() == "a"',
      '"abc".charAt(1) == "b" && "abc".indexOf("c") == 2 && "abc".substring(1, 2) == "b"',
      'sets.contains([1, 2], [1]) && sets.equivalent([1, 2], [2, 1]) && sets.intersects(self.l, ["a"])',
      '[1, 3, 2].max() == 3 && [1, 2].sum() == 3 && self.l.indexOf("a") == 1',
      'duration("90s") > duration("1m") && duration("90s").getMinutes() == 1',
      'int("3") == 3 && string(self.a) == "1" && double(self.a) == 1.0 && size(self.l) == 2 && self.s.size() == 5',
      "self.a in [1, 2] && (self.a == 2 ? false : true) && self.?free.hasValue() == false",
      "optional.of(self.a).orValue(2) == 1",
      "self.m.z == 1 || self.a == 1",
    ].map((rule) => ({ rule }));
    const answer = await write({ type: "object", properties, "x-kubernetes-validations": rules }, full);
    expect(told(answer)).toBe("taken");
  });
});

function ruled(text: string): object {
  return { "x-kubernetes-validations": [{ rule: text }] };
}

/** What is written, the rule that does not hold, and what is told of it. */
const broken: readonly (readonly [name: string, rule: object, told: string])[] = [
  ["by its text", { rule: "self.a > 1" }, "spec: Invalid value: failed rule: self.a > 1"],
  ["by its message", { rule: "self.a > 1", message: "must be big" }, "spec: Invalid value: must be big"],
  [
    "by no empty message",
    { rule: "self.a > 1", messageExpression: '""' },
    "spec: Invalid value: failed rule: self.a > 1",
  ],
  [
    "by a message of its own",
    { rule: "self.a > 1", messageExpression: "self.s" },
    "spec: Invalid value: 100Mi",
  ],
  [
    "at a field",
    { rule: "self.a > 1", reason: "FieldValueForbidden", message: "no", fieldPath: ".a" },
    "spec.a: Forbidden: no",
  ],
  [
    "as required",
    { rule: "self.a > 1", reason: "FieldValueRequired" },
    "spec: Required value: failed rule: self.a > 1",
  ],
  [
    "as a duplicate",
    { rule: "self.a > 1", reason: "FieldValueDuplicate", fieldPath: ".o.q" },
    "spec.o.q: Duplicate value",
  ],
  [
    "without a key",
    { rule: 'self.m["z"] > 1' },
    'spec: Invalid value: "object": no such key: z evaluating rule: self.m["z"] > 1',
  ],
  [
    "without a field",
    { rule: 'self.none == "x"' },
    'spec: Invalid value: "object": no such key: none evaluating rule: self.none == "x"',
  ],
  [
    "without an item",
    { rule: 'self.l[3] == "x"' },
    'spec: Invalid value: "object": index out of bounds: 3 evaluating rule: self.l[3] == "x"',
  ],
  [
    "by a division",
    { rule: "1 / (self.a - 1) == 1" },
    'spec: Invalid value: "object": division by zero evaluating rule: 1 / (self.a - 1) == 1',
  ],
];

describe("a rule that does not hold", () => {
  /** One definition for all of them: a field a row. */
  let plural = "";
  beforeAll(async () => {
    const fields = broken.map(([, broke], index) => [
      `f${index}`,
      { type: "object", properties, "x-kubernetes-validations": [broke] },
    ]);
    const [answer, name] = await define({ type: "object", properties: Object.fromEntries(fields) });
    expect(told(answer)).toBe("taken");
    plural = name;
  });

  test.each(broken.map(([name, , want], index) => [name, index, want] as const))(
    "is told %s",
    async (_, index, want) => {
      const answer = await writeObject("POST", plural, { [`f${index}`]: full });
      expect(told(answer).replaceAll(`spec.f${index}`, "spec")).toBe(want);
    },
  );

  test("is told with the value where there is one, and in lists and maps by place", async () => {
    const schema = {
      type: "object",
      properties: {
        a: { type: "integer", ...ruled("self > 5") },
        d: { type: "string", format: "date-time", ...ruled('self > timestamp("2021-01-01T00:00:00Z")') },
        l: { type: "array", maxItems: 4, items: { type: "integer", ...ruled("1/self > 1") } },
        m: {
          type: "object",
          maxProperties: 4,
          additionalProperties: { type: "integer", ...ruled("self > 1") },
        },
        o: { type: "object", properties: { q: { type: "boolean" } }, ...ruled("!self.q") },
      },
    };
    const spec = { a: 1, d: "2020-01-01T00:00:00Z", l: [0, 5], m: { "a.b": 1, c: 2 }, o: { q: true } };
    const { body } = await write(schema, spec);
    const causes: unknown = body["details"]?.["causes"];
    const lines = (causes as readonly Record<string, string>[]).map(
      (cause) => `${cause["field"]}: ${cause["message"]}`,
    );
    expect(lines.toSorted()).toEqual([
      "spec.a: Invalid value: 1: failed rule: self > 5",
      'spec.d: Invalid value: "2020-01-01T00:00:00Z": failed rule: self > timestamp("2021-01-01T00:00:00Z")',
      'spec.l[0]: Invalid value: "integer": division by zero evaluating rule: 1/self > 1',
      "spec.l[1]: Invalid value: 5: failed rule: 1/self > 1",
      "spec.m[a.b]: Invalid value: 1: failed rule: self > 1",
      "spec.o: Invalid value: failed rule: !self.q",
    ]);
  });

  test("of the whole object, which has a name", async () => {
    const rules = [{ rule: "self.spec.a == 1" }, { rule: 'self.metadata.name == "y"' }];
    const answer = await write(
      { type: "object", properties },
      { a: 5 },
      { "x-kubernetes-validations": rules },
    );
    expect(told(answer)).toBe(
      '[<nil>: Invalid value: failed rule: self.spec.a == 1, <nil>: Invalid value: failed rule: self.metadata.name == "y"]',
    );
  });

  test("is not asked of what cannot be read", async () => {
    const rules = [{ rule: 'self.s == "x"' }];
    const schema = { type: "object", required: ["a"], properties, "x-kubernetes-validations": rules };
    expect(told(await write(schema, { s: "y" }))).toBe(
      "[spec.a: Required value, <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]",
    );
  });
});

/** Writes an object of a fresh definition, and gives what updates it. */
async function begin(schema: object, spec: object): Promise<(spec: object) => Promise<string>> {
  const [answer, plural] = await define(schema);
  expect(told(answer)).toBe("taken");
  expect(told(await writeObject("POST", plural, spec))).toBe("taken");
  return async (next) => {
    const { body } = await scene.api.ask("GET", `${scene.path(plural, `${group}/v1`)}/x`);
    const resourceVersion = textOf(body["metadata"]?.["resourceVersion"]);
    return told(await writeObject("PUT", plural, next, { resourceVersion }));
  };
}

describe("a rule about what was", () => {
  test("holds changes, and only them", async () => {
    const rules = [{ rule: "self.a >= oldSelf.a", message: "no shrink" }];
    const update = await begin({ type: "object", properties, "x-kubernetes-validations": rules }, { a: 5 });
    expect([await update({ a: 4 }), await update({ a: 6 }), await update({ a: 6, s: "z" })]).toEqual([
      "spec: Invalid value: no shrink",
      "taken",
      "taken",
    ]);
  });

  test("holds a field while it is there", async () => {
    const a = { type: "integer", "x-kubernetes-validations": [{ rule: "self == oldSelf" }] };
    const update = await begin({ type: "object", properties: { ...properties, a } }, { a: 1 });
    expect([await update({ a: 2 }), await update({}), await update({ a: 3 })]).toEqual([
      "spec.a: Invalid value: 2: failed rule: self == oldSelf",
      "taken",
      "taken",
    ]);
  });

  test("finds items of lists by their keys", async () => {
    const v = { type: "integer", "x-kubernetes-validations": [{ rule: "self >= oldSelf" }] };
    const items = { type: "object", required: ["k"], properties: { k: { type: "string" }, v } };
    const lm = { ...properties.lm, items };
    const update = await begin(
      { type: "object", properties: { lm } },
      {
        lm: [
          { k: "a", v: 5 },
          { k: "b", v: 1 },
        ],
      },
    );
    expect([
      await update({
        lm: [
          { k: "b", v: 1 },
          { k: "a", v: 5 },
        ],
      }),
      await update({
        lm: [
          { k: "b", v: 2 },
          { k: "a", v: 4 },
        ],
      }),
    ]).toEqual(["taken", "spec.lm[1].v: Invalid value: 4: failed rule: self >= oldSelf"]);
  });

  test("may be asked at the beginning", async () => {
    const rules = [
      { rule: "oldSelf.hasValue() || self.a == 1", optionalOldSelf: true, message: "first must be one" },
      {
        rule: "!oldSelf.hasValue() || self.a >= oldSelf.value().a",
        optionalOldSelf: true,
        message: "no shrink",
      },
    ];
    const schema = { type: "object", properties, "x-kubernetes-validations": rules };
    expect(told(await write(schema, { a: 2 }))).toBe("spec: Invalid value: first must be one");
    const update = await begin(schema, { a: 1 });
    expect([await update({ a: 3 }), await update({ a: 2 })]).toEqual([
      "taken",
      "spec: Invalid value: no shrink",
    ]);
  });
});
