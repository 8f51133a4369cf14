import { expect, test } from "bun:test";
import { functionObject } from "../../../tests/support/kube-objects.ts";
import { EventSeries } from "./event-series.ts";

const about = functionObject("cart");
const said = (message: string) => ({ about, type: "Normal", reason: "Said", message }) as const;
const minuteMs = 60_000;

test("what repeats is one Event that counts; after most of an hour it is another", () => {
  const series = new EventSeries();
  const first = series.take("c", said("a"), 0);
  expect(first).toMatchObject({ count: 1, message: "a", firstMs: 0 });
  expect(series.take("c", said("a"), 1000)).toEqual({ ...first, count: 2 } as NonNullable<typeof first>);
  expect(series.take("d", said("a"), 1000)).toMatchObject({ count: 1 });
  expect(series.take("c", said("b"), 1000)).toMatchObject({ count: 1 });
  const later = series.take("c", said("a"), 50 * minuteMs);
  expect(later).toMatchObject({ count: 1 });
  expect(later?.name).not.toBe(first?.name ?? "");
});

test("many messages of one reason are gathered, those known are not", () => {
  const series = new EventSeries();
  for (let i = 0; i < 9; i++) expect(series.take("c", said(`m${i}`), 0)?.message).toBe(`m${i}`);
  expect(series.take("c", said("m9"), 0)).toMatchObject({
    count: 1,
    message: "(combined from similar events): m9",
  });
  expect(series.take("c", said("m10"), 0)).toMatchObject({
    count: 2,
    message: "(combined from similar events): m10",
  });
  expect(series.take("c", said("m3"), 0)).toMatchObject({ count: 2, message: "m3" });
  expect(series.take("c", said("m11"), 11 * minuteMs)).toMatchObject({ message: "m11" });
});

test("who says too much of an object is cut short, and may speak again later", () => {
  const series = new EventSeries();
  const counts = Array.from({ length: 30 }, () => series.take("c", said("a"), 0)?.count);
  expect(counts.filter((count) => count !== undefined)).toHaveLength(25);
  expect(series.take("d", said("a"), 0)).toBeDefined();
  expect(series.take("c", said("a"), 4 * minuteMs)).toBeUndefined();
  expect(series.take("c", said("a"), 5 * minuteMs)).toBeDefined();
});

function ofPod(uid: number) {
  return { ...said("a"), about: { ...about, metadata: { ...about.metadata, uid: String(uid) } } };
}

test("what is remembered is bounded: the oldest is forgotten and begins anew", () => {
  const series = new EventSeries();
  for (let uid = 0; uid <= 4096; uid++) series.take("c", ofPod(uid), 0);
  expect(series.take("c", ofPod(4096), 0)?.count).toBe(2);
  expect(series.take("c", ofPod(0), 0)?.count).toBe(1);
});
