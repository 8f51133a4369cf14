/** Which kinds are served now: the built-in ones and those of the definitions in the store. */
import { isRefused } from "./definitions/accepted-names.ts";
import { definitionKind, definitionResource, kindOfDefinition } from "./kinds/definition-kind.ts";
import { jsonEqual } from "./json.ts";
import { type KindDefinition, kindKey, type KindRules, type ObjectCheck } from "./kind.ts";
import type { Change } from "./change.ts";
import { parseRow } from "./object-store.ts";
import type { WorkingObject } from "./working-object.ts";

interface Defined {
  readonly definition: WorkingObject;
  readonly kind: KindDefinition;
}

/** Finds kinds by group and resource. */
export class KindRegistry {
  readonly #fixed = new Map<string, KindDefinition>();
  readonly #checks: Readonly<Record<string, ObjectCheck>>;
  readonly #defined = new Map<string, Defined>();

  constructor(
    fixed: readonly KindDefinition[],
    checks: Readonly<Record<string, ObjectCheck>>,
    nowMs: () => number,
  ) {
    this.#checks = checks;
    const definitions = definitionKind(nowMs, () => this.all());
    for (const kind of [...fixed, definitions]) this.#fixed.set(kindKey(kind.group, kind.resource), kind);
  }

  /** The kind at a group and a resource, when it is served. */
  find(group: string, resource: string): KindDefinition | undefined {
    const key = kindKey(group, resource);
    return this.#fixed.get(key) ?? this.#defined.get(key)?.kind;
  }

  /** Whether the kind's definition is being deleted: nothing of it is created any more. */
  isTerminating(kind: KindDefinition): boolean {
    const defined = this.#defined.get(kindKey(kind.group, kind.resource));
    return defined?.definition.metadata.deletionTimestamp !== undefined;
  }

  /** All kinds that are served, built-in ones first. */
  all(): readonly KindDefinition[] {
    return [...this.#fixed.values(), ...[...this.#defined.values()].map(({ kind }) => kind)];
  }

  /** Takes in a committed change of a definition. */
  observe(change: Pick<Change, "group" | "resource" | "type" | "name" | "text">): void {
    if (change.resource !== definitionResource.resource || change.group !== definitionResource.group) return;
    if (change.type === "DELETED") {
      this.#defined.delete(change.name);
      return;
    }
    const definition = parseRow(change);
    if (isRefused(definition)) {
      this.#defined.delete(change.name);
      return;
    }
    const before = this.#defined.get(change.name);
    // Compiled schemas are kept as long as what made them stands.
    const isSame =
      before !== undefined &&
      jsonEqual(before.definition["spec"], definition["spec"]) &&
      jsonEqual(before.definition.metadata.annotations, definition.metadata.annotations);
    const kind = isSame ? before.kind : withCheck(kindOfDefinition(definition), this.#checks[change.name]);
    this.#defined.set(change.name, { definition, kind });
  }
}

function withCheck(kind: KindDefinition, check: ObjectCheck | undefined): KindDefinition {
  if (check === undefined) return kind;
  const rules: KindRules = {
    onCreate: check,
    // What was stored before the check was there must still take a status.
    onUpdate: (object, old) => (jsonEqual(object["spec"], old["spec"]) ? [] : check(object)),
  };
  return { ...kind, rules };
}
