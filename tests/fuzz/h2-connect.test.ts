/** Fuzzes what is read of a CONNECT: any header list gives a value or an error, and nothing a caller writes becomes another's word. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import type { HeaderField } from "#core/h2/header-field.ts";
import { formatAuthority } from "#core/hbone/authority.ts";
import { formatBaggage, readBaggage } from "#core/hbone/baggage.ts";
import { formatConnect, parseConnect } from "#core/hbone/connect-request.ts";
import { formatOriginalCaller } from "#core/hbone/original-caller.ts";

const name = fc.constantFrom(
  ":method",
  ":authority",
  "baggage",
  "forwarded",
  "traceparent",
  "lambient-caller",
  "x-other",
);
const value = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.constantFrom(
    "CONNECT",
    "10.0.0.1:80",
    "[fd00::1]:443",
    "cart.shop:80",
    "k8s.pod.name=web,service.name=web",
    `for="10.0.0.1:80";host=cart`,
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "spiffe://cluster.local/ns/shop/sa/web;10.0.0.1",
  ),
);
const fields = fc.array(fc.tuple(name, value), { maxLength: 12 });

describe("parseConnect()", () => {
  test("never throws, and what it read can be written and read again", () => {
    fc.assert(
      fc.property(fields, (list) => {
        const got = parseConnect([[":method", "CONNECT"], ...list]);
        if (!got.ok) return;
        const { authority, baggage, forwarded, trace, originalCaller } = got.value;
        const again = parseConnect(
          formatConnect({
            authority,
            baggage,
            ...(forwarded === undefined ? {} : { forwarded }),
            ...(trace === undefined ? {} : { trace }),
            ...(originalCaller.ok && originalCaller.value !== undefined
              ? { originalCaller: originalCaller.value }
              : {}),
          }),
        );
        const want = originalCaller.ok
          ? got.value
          : { ...got.value, originalCaller: { ok: true, value: undefined } };
        expect(again).toEqual({ ok: true, value: want as typeof got.value });
      }),
      { numRuns: 2000 },
    );
  });

  test("takes an original caller only when it is named exactly once, in exactly its form", () => {
    fc.assert(
      fc.property(fields, (list) => {
        const got = parseConnect([[":method", "CONNECT"], [":authority", "10.0.0.1:80"], ...list]);
        const named = list.filter(([field]) => field === "lambient-caller").map(([, text]) => text);
        if (!got.ok) throw new Error(got.error);
        const { originalCaller } = got.value;
        if (!originalCaller.ok) expect(named.length).toBeGreaterThan(0);
        else if (originalCaller.value === undefined) expect(named).toEqual([]);
        else expect(named).toEqual([formatOriginalCaller(originalCaller.value)]);
      }),
      { numRuns: 2000 },
    );
  });

  test("an authority means the same in every spelling it accepts", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ maxLength: 80 }), fc.webAuthority({ withPort: true, withIPv6: true })),
        (text) => {
          const list: HeaderField[] = [
            [":method", "CONNECT"],
            [":authority", text],
          ];
          const got = parseConnect(list);
          if (!got.ok) return;
          const canonical = formatAuthority(got.value.authority);
          expect(
            parseConnect([
              [":method", "CONNECT"],
              [":authority", canonical],
            ]),
          ).toEqual(got);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("formatBaggage()", () => {
  test("writes nothing that reads as another member", () => {
    const text = fc.string({ maxLength: 30 });
    fc.assert(
      fc.property(text, text, (namespace, serviceName) => {
        const read = readBaggage([formatBaggage({ namespace, serviceName })]);
        const { namespace: gotNamespace = namespace, serviceName: gotName = serviceName, ...others } = read;
        expect({ gotNamespace, gotName, others }).toEqual({
          gotNamespace: namespace,
          gotName: serviceName,
          others: {},
        });
      }),
      { numRuns: 2000 },
    );
  });
});
