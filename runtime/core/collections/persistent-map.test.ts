import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { changeMap, emptyMap } from "./persistent-map.ts";

test("changeMap() behaves as a Map and leaves the original as it was", () => {
  const operation = fc.tuple(fc.constantFrom("set", "delete"), fc.stringMatching(/^[a-c]{0,3}$/), fc.nat());
  fc.assert(
    fc.property(fc.array(fc.array(operation)), (batches) => {
      const model = new Map<string, number>();
      let map = emptyMap<number>();
      for (const batch of batches) {
        const before = new Map(map.entries());
        const original = map;
        const change = changeMap(map);
        for (const [kind, key, value] of batch) {
          if (kind === "set") {
            change.set(key, value);
            model.set(key, value);
          } else {
            change.delete(key);
            model.delete(key);
          }
          expect(change.get(key)).toBe(model.get(key));
        }
        map = change.done();
        expect(new Map(original.entries())).toEqual(before);
        expect(new Map(map.entries())).toEqual(model);
        expect(map.size).toBe(model.size);
      }
    }),
  );
});

test("a change that changes nothing is the same map", () => {
  const change = changeMap(emptyMap<number>());
  change.delete("absent");
  expect(change.done()).toBe(emptyMap());
});
