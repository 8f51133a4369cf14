/** Sets of field paths as trees, and their algebra. A path's elements are texts as in `managedFields`; what they mean is not asked here. */

/** The paths below one place; the place itself is one of them when it is a member. */
export interface FieldSet {
  readonly isMember: boolean;
  readonly children: ReadonlyMap<string, FieldSet>;
}

/** A path from the root; its elements are `f:name`, `k:{…}`, `v:…` or `i:…`. */
export type FieldPath = readonly string[];

/** No path at all. */
export const noFields: FieldSet = { isMember: false, children: new Map() };

/** Collects paths. */
export class FieldSetBuilder implements FieldSet {
  readonly children: Map<string, FieldSetBuilder> = new Map();
  isMember = false;

  /** Adds a path. */
  insert(path: FieldPath): void {
    this.#reach(path).isMember = true;
  }

  /** Adds every path of a set below a path. */
  insertAll(path: FieldPath, set: FieldSet): void {
    if (isEmpty(set)) return;
    this.#reach(path).#take(set);
  }

  #reach(path: FieldPath, from = 0): FieldSetBuilder {
    const element = path[from];
    if (element === undefined) return this;
    let next = this.children.get(element);
    if (next === undefined) this.children.set(element, (next = new FieldSetBuilder()));
    return next.#reach(path, from + 1);
  }

  #take(set: FieldSet): void {
    this.isMember ||= set.isMember;
    for (const [element, child] of set.children) this.#reach([element]).#take(child);
  }
}

/** The set of the given paths. */
export function fieldSet(paths: readonly FieldPath[]): FieldSet {
  const set = new FieldSetBuilder();
  for (const path of paths) set.insert(path);
  return set;
}

/** Whether no path is in it. */
export function isEmpty(set: FieldSet): boolean {
  if (set.isMember) return false;
  for (const child of set.children.values()) if (!isEmpty(child)) return false;
  return true;
}

/** Paths in either. */
export function union(left: FieldSet, right: FieldSet): FieldSet {
  if (right.children.size === 0 && !right.isMember) return left;
  if (left.children.size === 0 && !left.isMember) return right;
  const children = new Map(left.children);
  for (const [element, child] of right.children) {
    children.set(element, union(children.get(element) ?? noFields, child));
  }
  return { isMember: left.isMember || right.isMember, children };
}

/** Paths in both. */
export function intersection(left: FieldSet, right: FieldSet): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const [element, child] of left.children) {
    const other = right.children.get(element);
    if (other !== undefined) keep(children, element, intersection(child, other));
  }
  return { isMember: left.isMember && right.isMember, children };
}

/** Paths in the first and not in the second; what lies below a removed path stays. */
export function difference(left: FieldSet, right: FieldSet): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const [element, child] of left.children) {
    const other = right.children.get(element);
    keep(children, element, other === undefined ? child : difference(child, other));
  }
  return { isMember: left.isMember && !right.isMember, children };
}

/** Paths of the first that neither are in the second nor lie below one that is. */
export function differenceBelow(left: FieldSet, right: FieldSet): FieldSet {
  if (right.isMember) return noFields;
  const children = new Map<string, FieldSet>();
  for (const [element, child] of left.children) {
    const other = right.children.get(element);
    keep(children, element, other === undefined ? child : differenceBelow(child, other));
  }
  return { isMember: left.isMember, children };
}

/** Every path below the root in Kubernetes' order: of each place its own members, then what lies deeper. */
export function* pathsOf(set: FieldSet, at: FieldPath = []): Generator<FieldPath, void> {
  const children = sortedChildren(set);
  for (const [element, child] of children) if (child.isMember) yield [...at, element];
  for (const [element, child] of children) yield* pathsOf(child, [...at, element]);
}

/** The children in the order in which Kubernetes writes them: named fields, keys, values, indices. */
export function sortedChildren(set: FieldSet): readonly (readonly [string, FieldSet])[] {
  return [...set.children].sort(([left], [right]) => {
    const rank = ranks.indexOf(left[0] ?? "") - ranks.indexOf(right[0] ?? "");
    if (rank !== 0) return rank;
    return left < right ? -1 : 1;
  });
}

const ranks = "fkvi";

function keep(children: Map<string, FieldSet>, element: string, child: FieldSet): void {
  if (child.isMember || child.children.size > 0) children.set(element, child);
}
