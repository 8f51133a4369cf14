/** Whatever comes by the network, the DNS readers answer or refuse; they never throw and never run on. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { formatAddresses, formatRefusal } from "#core/dns/format-answer.ts";
import { parseAnswer, parseQuery } from "#core/dns/message.ts";

const bytes = fc.uint8Array({ maxLength: 600 });
const label = fc.stringMatching(/^[a-z0-9_-]{1,20}$/);

test("parseQuery() and parseAnswer() never throw", () => {
  fc.assert(
    fc.property(bytes, (message) => {
      parseQuery(message);
      parseAnswer(message);
    }),
    { numRuns: 2000 },
  );
});

test("damaged answers never throw", () => {
  fc.assert(
    fc.property(
      fc.array(label, { minLength: 1, maxLength: 5 }),
      fc.array(fc.tuple(fc.nat(), fc.nat(255))),
      (labels, damage) => {
        const name = [...labels.flatMap((text) => [text.length, ...Buffer.from(text)]), 0];
        const query = parseQuery(Uint8Array.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...name, 0, 1, 0, 1]));
        expect(query.ok && query.value.name).toBe(labels.join("."));
        if (!query.ok) return;
        const answer = formatRefusal(query.value, 3);
        expect(parseAnswer(answer)?.name).toBe(labels.join("."));
        const full = formatAddresses(query.value, [], 512);
        for (const [at, value] of damage) full[at % full.length] = value;
        parseAnswer(full);
        parseQuery(full);
      },
    ),
    { numRuns: 1000 },
  );
});
