/** HBONE's CONNECT: the header list both ways, and each field's malformed forms. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { parseIp } from "#core/address/ip.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import { formatSpiffeId } from "#core/identity/spiffe-id.ts";
import { type Authority, formatAuthority, parseAuthority } from "./authority.ts";
import { formatBaggage, readBaggage } from "./baggage.ts";
import { type ConnectRequest, formatConnect, parseConnect } from "./connect-request.ts";
import { readForwarded } from "./forwarded.ts";
import { parseOriginalCaller } from "./original-caller.ts";

const web = formatSpiffeId({ trustDomain: "cluster.local", namespace: "shop", serviceAccount: "web" });

describe("formatConnect() and parseConnect()", () => {
  const request: ConnectRequest = {
    authority: { kind: "address", address: { ip: ip("10.96.0.7"), port: 80 } },
    baggage: {
      clusterName: "Kubernetes",
      namespace: "shop",
      workloadKind: "deployment",
      workloadName: "web",
    },
    forwarded: { for: { ip: ip("10.244.0.2"), port: 41_000 }, host: "cart.shop.svc.cluster.local" },
    trace: { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled: true },
    originalCaller: { identity: web, address: ip("10.244.0.2") },
  };

  test("make the list that Istio's ends understand", () => {
    expect(formatConnect(request)).toEqual([
      [":method", "CONNECT"],
      [":authority", "10.96.0.7:80"],
      ["baggage", "k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.deployment.name=web"],
      ["forwarded", `for="10.244.0.2:41000";host=cart.shop.svc.cluster.local`],
      ["traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
      ["lambient-caller", "spiffe://cluster.local/ns/shop/sa/web;10.244.0.2"],
    ]);
  });

  test("give back what was asked", () => {
    expect(parseConnect(formatConnect(request))).toEqual({
      ok: true,
      value: {
        authority: request.authority,
        baggage: request.baggage,
        forwarded: request.forwarded,
        trace: request.trace,
        originalCaller: { ok: true, value: request.originalCaller },
      },
    });
  });

  test("take a list with nothing but the authority", () => {
    const fields: HeaderField[] = [
      [":method", "CONNECT"],
      [":authority", "cart.shop:80"],
    ];
    expect(parseConnect(fields)).toEqual({
      ok: true,
      value: {
        authority: { kind: "name", hostname: "cart.shop", port: 80 },
        baggage: {},
        forwarded: undefined,
        trace: undefined,
        originalCaller: { ok: true, value: undefined },
      },
    });
  });

  test("refuse another method and a bad authority", () => {
    expect(parseConnect([[":method", "GET"]]).ok).toBe(false);
    expect(parseConnect([[":method", "CONNECT"]]).ok).toBe(false);
  });
});

describe("parseAuthority()", () => {
  const rows: readonly (readonly [text: string, want: Authority | undefined])[] = [
    ["10.0.0.1:8080", { kind: "address", address: { ip: ip("10.0.0.1"), port: 8080 } }],
    ["[fd00::1]:80", { kind: "address", address: { ip: ip("fd00::1"), port: 80 } }],
    ["Cart.Shop.svc.cluster.local:80", { kind: "name", hostname: "cart.shop.svc.cluster.local", port: 80 }],
    ["cart:65535", { kind: "name", hostname: "cart", port: 65_535 }],
    ["", undefined],
    ["cart", undefined],
    ["cart:", undefined],
    ["cart:0", undefined],
    ["cart:080", undefined],
    ["cart:65536", undefined],
    ["cart:80 ", undefined],
    ["ca rt:80", undefined],
    ["-cart:80", undefined],
    ["cart-:80", undefined],
    ["cart..shop:80", undefined],
    ["user@cart:80", undefined],
    ["cart:80/path", undefined],
    ["1.2.3:80", undefined],
    ["256.1.1.1:80", undefined],
    ["fd00::1:80", undefined],
    ["[10.0.0.1]:80", undefined],
    [`${"a".repeat(64)}.b:80`, undefined],
    [`${"a.".repeat(127)}aa:80`, undefined],
  ];
  test.each(rows)("%j", (text, want) => {
    const got = parseAuthority(text);
    expect(got.ok ? got.value : undefined).toEqual(want);
  });

  test("never throws, and gives back what formatAuthority() wrote", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webAuthority({ withPort: true })), (text) => {
        const got = parseAuthority(text);
        if (got.ok) expect(parseAuthority(formatAuthority(got.value))).toEqual(got);
      }),
    );
  });
});

describe("parseOriginalCaller()", () => {
  const malformed: readonly (readonly [fault: string, values: readonly string[]])[] = [
    ["two values", [`${web};10.0.0.1`, `${web};10.0.0.1`]],
    ["two in one", [`${web};10.0.0.1,${web};10.0.0.2`]],
    ["no address", [web]],
    ["an empty address", [`${web};`]],
    ["a port", [`${web};10.0.0.1:80`]],
    ["a third part", [`${web};10.0.0.1;x`]],
    ["another scheme", ["https://cluster.local/ns/shop/sa/web;10.0.0.1"]],
    ["a blank", [`${web}; 10.0.0.1`]],
    ["an address not in canonical form", [`${web};FD00::1`]],
    ["nothing", [""]],
  ];
  test.each(malformed)("refuses %s", (_fault, values) => {
    expect(parseOriginalCaller(values).ok).toBe(false);
  });
});

describe("readForwarded()", () => {
  test.each([
    undefined,
    "",
    "for=10.0.0.1:80",
    `for="10.0.0.1"`,
    `for="10.0.0.1:80";proto=http`,
    `for="x:1";host=`,
  ])("passes over %j", (value) => {
    expect(readForwarded(value)).toBeUndefined();
  });
});

describe("readBaggage()", () => {
  const rows: readonly (readonly [values: readonly string[], want: object])[] = [
    [["k8s.namespace.name=shop", "service.name=web"], { namespace: "shop", serviceName: "web" }],
    [
      ["k8s.job.name=backup, cloud.region=eu ,other=1"],
      { workloadKind: "job", workloadName: "backup", region: "eu" },
    ],
    [["service.name", "=", "service.version="], {}],
    [["service.name=a;b"], {}],
    [["toString=1,__proto__=2"], {}],
    [["service.name=a".padEnd(5000, ",")], {}],
  ];
  test.each(rows)("%j", (values, want) => {
    expect(readBaggage(values)).toEqual(want);
  });

  test("formatBaggage() leaves out what could forge a member", () => {
    expect(formatBaggage({ serviceName: "a,service.version=2", namespace: "" })).toBe("");
  });
});

function ip(text: string): NonNullable<ConnectRequest["originalCaller"]>["address"] {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}
