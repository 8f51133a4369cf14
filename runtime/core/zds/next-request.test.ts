import { expect, test } from "bun:test";
import { assert, constantFrom, property, uniqueArray } from "fast-check";
import { type Acknowledged, type DesiredSlot, nextRequest, type NextRequest } from "./next-request.ts";

function desired(...slots: readonly string[]): Map<string, DesiredSlot> {
  return new Map(
    slots.map((name) => {
      const uid = name.replace("*", "");
      return [uid, { uid, isAssigned: name.endsWith("*") }];
    }),
  );
}

function known(
  part: Partial<Record<"prepared" | "assigned" | "refused", string[]>>,
  ...flags: string[]
): Acknowledged {
  return {
    prepared: new Set(part.prepared),
    assigned: new Set(part.assigned),
    refused: new Set(part.refused),
    isSnapshotSent: flags.includes("sent"),
    isLatest: !flags.includes("old"),
  };
}

const rows: [string, Map<string, DesiredSlot>, Acknowledged, NextRequest | undefined][] = [
  ["ends an empty snapshot", desired(), known({}), { kind: "snapshot-sent" }],
  ["says nothing when all is said", desired("a"), known({ prepared: ["a"] }, "sent"), undefined],
  ["prepares before the snapshot ends", desired("a"), known({}), { kind: "prepare", uid: "a" }],
  ["prepares slots with an instance first", desired("a", "b*"), known({}), { kind: "prepare", uid: "b" }],
  [
    "assigns at once what is prepared",
    desired("a", "b*"),
    known({ prepared: ["b"] }),
    { kind: "assign", uid: "b" },
  ],
  [
    "assigns before it deletes",
    desired("b*"),
    known({ prepared: ["a", "b"] }, "sent"),
    { kind: "assign", uid: "b" },
  ],
  ["deletes what is gone", desired(), known({ prepared: ["a"] }, "sent"), { kind: "del", uid: "a" }],
  [
    "deletes on older connections",
    desired("b*"),
    known({ prepared: ["a", "b"] }, "old"),
    { kind: "del", uid: "a" },
  ],
  ["gives older connections no slot", desired("a", "b*"), known({ prepared: ["b"] }, "old"), undefined],
  [
    "leaves refused ones alone",
    desired("a", "b*"),
    known({ prepared: ["b"], refused: ["a", "b"] }),
    { kind: "snapshot-sent" },
  ],
];
test.each(rows)("nextRequest() %s", (_, slots, acknowledged, want) => {
  expect(nextRequest(slots, acknowledged)).toEqual(want as NextRequest);
});

test("following nextRequest() to its end makes any ztunnel hold exactly the desired slots", () => {
  const names = uniqueArray(constantFrom<string>("a", "b", "c", "d", "e"));
  assert(
    property(names, names, names, (wanted, assigned, before) => {
      const slots = new Map(wanted.map((uid) => [uid, { uid, isAssigned: assigned.includes(uid) }]));
      const prepared = new Set(before);
      const done = new Set<string>();
      let isSnapshotSent = false;
      for (let steps = 0; steps < 100; steps++) {
        const next = nextRequest(slots, {
          prepared,
          assigned: done,
          refused: new Set(),
          isSnapshotSent,
          isLatest: true,
        });
        if (next === undefined) break;
        if (next.kind === "snapshot-sent") isSnapshotSent = true;
        else if (next.kind === "prepare") prepared.add(next.uid);
        else if (next.kind === "assign") done.add(next.uid);
        else prepared.delete(next.uid);
      }
      expect([...prepared].toSorted()).toEqual(wanted.toSorted());
      expect([...done].toSorted()).toEqual(wanted.filter((uid) => assigned.includes(uid)).toSorted());
      expect(isSnapshotSent).toBe(true);
    }),
  );
});
