/** The order of a list after a strategic patch: the patch's items in the patch's order, the others where they were among them. */
import { objectOr } from "./json.ts";

/** How a list's items are told apart: by their values, or by one field of theirs. */
export type ListKind = { readonly kind: "values" } | { readonly kind: "keyed"; readonly key: string };

/** A list that is to be put in order. */
export interface Placing {
  readonly items: readonly unknown[];
  /** Items, or only their keys, in the order that is wanted of them. */
  readonly wanted: readonly unknown[];
  /** The list before the patch. */
  readonly held: readonly unknown[];
}

/** What tells an item from others, as a text: equal for the same item in two lists. */
export function identityOf(item: unknown, kind: ListKind): string {
  const identity = kind.kind === "keyed" ? objectOr(item)[kind.key] : item;
  return JSON.stringify(identity) ?? "";
}

/** The items in order. An item that is not wanted comes before the first wanted one that it came before earlier. */
export function placeItems({ items, wanted, held }: Placing, kind: ListKind): readonly unknown[] {
  const wantedAt = placesIn(wanted, kind);
  const heldAt = placesIn(held, kind);
  const placed = items.map((item) => {
    const identity = identityOf(item, kind);
    return { item, wantedAt: wantedAt.get(identity), heldAt: heldAt.get(identity) ?? -1 };
  });
  const named = placed.filter((one) => one.wantedAt !== undefined);
  named.sort((left, right) => (left.wantedAt ?? 0) - (right.wantedAt ?? 0));
  const others = placed.filter((one) => one.wantedAt === undefined);
  const order: unknown[] = [];
  let next = 0;
  for (const one of named) {
    for (; one.heldAt >= 0 && (others[next]?.heldAt ?? one.heldAt) < one.heldAt; next++) {
      order.push(others[next]?.item);
    }
    order.push(one.item);
  }
  return [...order, ...others.slice(next).map(({ item }) => item)];
}

function placesIn(list: readonly unknown[], kind: ListKind): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  for (const [index, item] of list.entries()) {
    const identity = identityOf(item, kind);
    if (!places.has(identity)) places.set(identity, index);
  }
  return places;
}
