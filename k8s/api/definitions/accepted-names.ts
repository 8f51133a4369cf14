/** Which names of a definition are free in its group, and what its status says of that: a kind is served once it has all of its names. */
import { arrayOr, type JsonObject, objectOr, textOr, textsOf } from "../json.ts";
import type { KindDefinition } from "../kind.ts";
import type { WorkingObject } from "../working-object.ts";

/** A name that another kind of the group has. */
export interface NameConflict {
  readonly reason: string;
  readonly name: string;
}

/** The conflicts of a definition's names with the kinds that are served; its own is none. */
export function nameConflicts(
  definition: WorkingObject,
  served: readonly KindDefinition[],
): readonly NameConflict[] {
  const spec = objectOr(definition["spec"]);
  const names = objectOr(spec["names"]);
  const others = served.filter(
    ({ group, resource }) => group === textOr(spec["group"]) && resource !== textOr(names["plural"]),
  );
  const resources = new Set(
    others.flatMap(({ resource, singular, shortNames }) => [resource, singular, ...shortNames]),
  );
  const kinds = new Set(others.flatMap(({ kind, listKind }) => [kind, listKind]));
  return [
    ...conflictIn(resources, "PluralConflict", textOr(names["plural"])),
    ...conflictIn(resources, "SingularConflict", textOr(names["singular"])),
    ...textsOf(names["shortNames"]).flatMap((name) => conflictIn(resources, "ShortNamesConflict", name)),
    ...conflictIn(kinds, "KindConflict", textOr(names["kind"])),
    ...conflictIn(kinds, "ListKindConflict", textOr(names["listKind"])),
  ];
}

function conflictIn(set: ReadonlySet<string>, reason: string, name: string): readonly NameConflict[] {
  return set.has(name) ? [{ reason, name }] : [];
}

/** Whether a stored definition's kind is served. */
export function isEstablished(definition: WorkingObject): boolean {
  return conditionsOf(definition).some(({ type, status }) => type === "Established" && status === "True");
}

/** Whether a stored definition waits for a name, and its kind is not served meanwhile. */
export function isRefused(definition: WorkingObject): boolean {
  return conditionsOf(definition).some(({ type, status }) => type === "Established" && status === "False");
}

/** Says in a definition's status that it has its names, or which one it has not. */
export function setAcceptedNames(
  definition: WorkingObject,
  conflicts: readonly NameConflict[],
  at: string,
): void {
  const last = conflicts.at(-1);
  const before = conditionsOf(definition);
  const others = before.filter(({ type }) => type !== "NamesAccepted" && type !== "Established");
  const own = (last === undefined ? accepted : refused(last)).map((condition) => {
    const same = before.find(
      ({ type, status }) => type === condition["type"] && status === condition["status"],
    );
    return { ...condition, lastTransitionTime: same?.["lastTransitionTime"] ?? at };
  });
  definition["status"] = {
    ...objectOr(definition["status"]),
    acceptedNames: namesWithout(definition, conflicts),
    conditions: [...own, ...others],
  };
}

const accepted: readonly JsonObject[] = [
  { type: "NamesAccepted", status: "True", reason: "NoConflicts", message: "no conflicts found" },
  {
    type: "Established",
    status: "True",
    reason: "InitialNamesAccepted",
    message: "the initial names have been accepted",
  },
];

function refused({ reason, name }: NameConflict): readonly JsonObject[] {
  return [
    { type: "NamesAccepted", status: "False", reason, message: `${JSON.stringify(name)} is already in use` },
    { type: "Established", status: "False", reason: "NotAccepted", message: "not all names are accepted" },
  ];
}

function namesWithout(definition: WorkingObject, conflicts: readonly NameConflict[]): JsonObject {
  const names = objectOr(objectOr(definition["spec"])["names"]);
  const taken = new Set(conflicts.map(({ reason, name }) => `${reason} ${name}`));
  const { shortNames, listKind, ...rest } = structuredClone(names);
  const free = textsOf(shortNames).filter((name) => !taken.has(`ShortNamesConflict ${name}`));
  return {
    ...rest,
    ...(taken.has(`PluralConflict ${textOr(names["plural"])}`) ? { plural: "" } : {}),
    ...(taken.has(`SingularConflict ${textOr(names["singular"])}`) ? { singular: "" } : {}),
    ...(taken.has(`KindConflict ${textOr(names["kind"])}`) ? { kind: "" } : {}),
    ...(taken.has(`ListKindConflict ${textOr(listKind)}`) ? {} : { listKind }),
    ...(free.length === 0 ? {} : { shortNames: free }),
  };
}

function conditionsOf(definition: WorkingObject): readonly JsonObject[] {
  return arrayOr(objectOr(definition["status"])["conditions"]).map(objectOr);
}
