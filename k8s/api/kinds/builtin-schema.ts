/** Reads objects of a built-in kind by its generated shape: decoded, with the defaults a Kubernetes API server sets, and what is required checked. Not the rules of the kind. */
import type { ObjectCheck, ObjectSchema } from "../kind.ts";
import type { FieldFault } from "../refusal.ts";
import { decodeObject } from "./decode.ts";
import type { KubeSchemas } from "./kube-schemas.ts";
import { setDefaults } from "./set-defaults.ts";
import { shapeFaults } from "./shape-faults.ts";

/** Faults of one object that are told; a client does not read more. */
const faultsMax = 32;

/**
 * The reader of a kind.
 * @param name Of its definition: `io.k8s.api.core.v1.Pod`.
 * @param check What its shape cannot say.
 */
export function builtinSchema(schemas: KubeSchemas, name: string, check?: ObjectCheck): ObjectSchema {
  const declared = schemas.resolve(name);
  return {
    declared,
    read(object) {
      const { unknown, error } = decodeObject(object, declared);
      if (error !== undefined) return { unknown, faults: [], unreadable: error };
      setDefaults(object, declared);
      const faults = [...shapeFaults(object, declared), ...(check?.(object) ?? [])];
      return { unknown, faults: withoutRepeats(faults).slice(0, faultsMax) };
    },
    judge: () => [],
  };
}

/** Each once; of two that miss the same field, the one that says more. */
function withoutRepeats(faults: readonly FieldFault[]): readonly FieldFault[] {
  const kept = new Map<string, FieldFault>();
  for (const fault of faults) {
    const isMissing = fault.reason === "FieldValueRequired";
    kept.set(`${fault.field} ${isMissing ? fault.reason : fault.message}`, fault);
  }
  return [...kept.values()];
}
