/** The functions that Kubernetes adds to CEL, one by one; what they say is what kube-apiserver's say. */
import { expect, test } from "bun:test";
import { openBaseEnvironment } from "./base-environment.ts";
import { Budget, BudgetExceeded } from "./budget.ts";
import { compile } from "./compile.ts";
import { fieldPathOf } from "./field-path.ts";
import { valuesEqual } from "./values-equal.ts";

const environment = openBaseEnvironment();

function value(expression: string): unknown {
  const program = compile(environment, expression);
  if (!program.ok) return program.error.split("\n")[0];
  const outcome = program.value.run({}, new Budget());
  return outcome.ok ? outcome.value : `error: ${outcome.error}`;
}

test.each<[string, unknown]>([
  ['"héllo".charAt(1)', "é"],
  ['"abc".charAt(3)', ""],
  ['"abc".charAt(4)', "error: index out of range: 4"],
  ['"a-b-c".replace("-", "$&")', "a$&b$&c"],
  ['"a-b-c".replace("-", "+", 1)', "a+b-c"],
  ['"a-b-c".replace("-", "+", -1)', "a+b+c"],
  ['"a1b22".find("[0-9]+")', "1"],
  ['"abc".find("[0-9]+")', ""],
  ['"a1b22".findAll("[0-9]+")', ["1", "22"]],
  ['"a1b22".findAll("[0-9]+", 1)', ["1"]],
  ['"a".find("(")', "error: Illegal regex: ("],
  ['"%s %s %s".format(["a", [1, 2], {"k": true}])', "a [1, 2] {k: true}"],
  [
    '"%d%% %.1f %e %b %o %x %X %s".format([5, 1.25, 1500.0, 5, 8, 255, "hi", 2.5])',
    "5% 1.3 1.500000e+3 101 10 ff 6869 2.5",
  ],
  ['"%b".format([true])', "1"],
  ['"%s".format([timestamp("2020-01-01T00:00:00Z")])', "2020-01-01T00:00:00Z"],
  ['"%s%s".format(["a"])', "error: index 1 out of range"],
  ["[1, 2, 2].isSorted()", true],
  ["[2, 1].isSorted()", false],
  ["[1, 2].sum()", 3n],
  ["[1.5, 2.0].sum()", 3.5],
  ["[2, 3, 1].min()", 1n],
  ['["b", "a"].max()', "b"],
  ["[1].filter(x, x > 1).max()", "error: max called on empty list"],
  ['["a", "b", "a"].indexOf("a")', 0n],
  ['["a", "b", "a"].lastIndexOf("a")', 2n],
  ['["a"].indexOf("z")', -1n],
  ["sets.contains([1, 2], [2, 2])", true],
  ["sets.contains([1], [2])", false],
  ["sets.equivalent([1, 2], [2, 1])", true],
  ["sets.equivalent([1, 2], [1])", false],
  ["sets.intersects([1], [2])", false],
  ['isURL("no")', false],
  ['url("https://u@a.b:443/c%20d?e=f&e=g").getScheme()', "https"],
  ['url("https://u@a.b:443/c%20d?e=f&e=g").getHost()', "a.b:443"],
  ['url("https://[::1]:80/").getHostname()', "::1"],
  ['url("https://a.b/").getPort()', ""],
  ['url("https://a.b/c%20d").getEscapedPath()', "/c%20d"],
  ['url("/c?e=f&e=g").getQuery()["e"]', ["f", "g"]],
  ['url("https://a.b/") == url("https://a.b/")', true],
  ['url("no")', 'error: URL parse error during conversion from string: parse "no": invalid URI for request'],
  ['isIP("1.2.3.256") || isIP("::ffff:1.2.3.4") || isIP("fe80::1%eth0")', false],
  [
    'ip("127.0.0.1").isLoopback() && ip("0.0.0.0").isUnspecified() && ip("169.254.0.1").isLinkLocalUnicast()',
    true,
  ],
  [
    'ip("8.8.8.8").isGlobalUnicast() && !ip("224.0.0.1").isGlobalUnicast() && ip("224.0.0.1").isLinkLocalMulticast()',
    true,
  ],
  ['string(ip("2001:DB8::0001"))', "2001:db8::1"],
  ['ip("::1") == ip("0:0::1")', true],
  ['ip("x")', 'error: IP Address "x" parse error during conversion from string'],
  ['ip.isCanonical("x")', 'error: IP Address "x" parse error'],
  ['isCIDR("10.0.0.0/33") || isCIDR("10.0.0.0") || isCIDR("10.0.0.0/08")', false],
  ['cidr("10.0.0.0/8").containsIP(ip("10.1.1.1")) && !cidr("10.0.0.0/8").containsIP("::1")', true],
  [
    'cidr("10.0.0.0/8").containsCIDR(cidr("10.1.0.0/16")) && !cidr("10.1.0.0/16").containsCIDR("10.0.0.0/8")',
    true,
  ],
  ['cidr("10.1.2.3/8").prefixLength()', 8n],
  ['string(cidr("10.1.2.3/8").ip())', "10.1.2.3"],
  ['string(cidr("2001:db8:1:2::3/48").masked())', "2001:db8:1::/48"],
  ['cidr("10.0.0.0/8") == cidr("10.0.0.0/8")', true],
  ['cidr("x")', "error: network address parse error during conversion from string: x"],
  ['quantity("-1").sign() == -1 && quantity("0").sign() == 0 && quantity("1").sign() == 1', true],
  ['quantity("1.5").isInteger() || quantity("1Ei").add(quantity("8Ei")).isInteger()', false],
  ['quantity("1.5").asInteger()', "error: cannot convert value to integer"],
  ['quantity("1500m").asApproximateFloat()', 1.5],
  ['quantity("2").sub(quantity("500m")).compareTo(quantity("1500m"))', 0n],
  ['quantity("2").sub(1).compareTo(quantity("2"))', -1n],
  ['quantity("2").add(1).compareTo(quantity("2"))', 1n],
  ['quantity("1Ki").isLessThan(quantity("1k"))', false],
  ['quantity("1Ki") == quantity("1024")', true],
  ['quantity("x")', "error: quantities must match the regular expression of quantities: x"],
])("%s is %p", (expression, want) => {
  expect(value(expression)).toEqual(want);
});

test("a text that is too long is not searched", () => {
  const program = compile(environment.clone().registerVariable("s", "string"), 's.find("a+$")');
  if (!program.ok) throw new Error(program.error);
  expect(() => program.value.run({ s: "a".repeat(300_000) }, new Budget())).toThrow(BudgetExceeded);
});

test.each<[unknown, unknown, boolean]>([
  [1n, 1, true],
  [new Date(5), new Date(5), true],
  [new Map([["a", [1n]]]), new Map([["a", [1n]]]), true],
  [new Map([["a", 1n]]), new Map([["b", 1n]]), false],
  [new Uint8Array([1]), new Uint8Array([1]), true],
  [new Uint8Array([1]), new Uint8Array([2]), false],
  [{ a: 1 }, { a: 1, b: 2 }, false],
  [{ a: 1 }, [1], false],
  [null, {}, false],
  ["a", "a", true],
])("%p and %p: %p", (left, right, want) => {
  expect(valuesEqual(left, right)).toBe(want);
});

const schema = {
  type: "object",
  properties: {
    a: { type: "object", properties: { "b-c": {} } },
    m: { type: "object", additionalProperties: {} },
  },
};
test.each([
  [".a", ".a"],
  [".a['b-c']", ".a.b-c"],
  [".m.key", ".m[key]"],
  [".m['k\\'y']", ".m[k'y]"],
  ["", undefined],
  ["a", undefined],
  [".a.z", undefined],
  [".a[0]", undefined],
])("the path %p is %p", (text, want) => {
  expect(fieldPathOf(text, schema)).toBe(want);
});
