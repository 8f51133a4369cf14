/** Durations as Gateway API writes them (GEP-2257): `1h30m`, `500ms`, at most four parts. */

const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
const form = /^(?:\d{1,5}(?:h|ms|m|s)){1,4}$/;

/** Reads a duration; undefined when it is absent or has another form. */
export function parseDurationMs(text: string | undefined): number | undefined {
  if (text === undefined || !form.test(text)) return undefined;
  let total = 0;
  for (const [, number, unit = ""] of text.matchAll(/(\d{1,5})(h|ms|m|s)/g)) {
    total += Number(number) * (unitMs[unit] ?? 0);
  }
  return total;
}
