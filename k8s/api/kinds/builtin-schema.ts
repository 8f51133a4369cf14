/** Reads objects of a built-in kind by its generated shape: decoded, with the defaults a Kubernetes API server sets, and what is required checked. Not the rules of the kind. */
import type { ObjectSchema } from "../kind.ts";
import { decodeObject } from "./decode.ts";
import type { KubeSchemas } from "./kube-schemas.ts";
import { setDefaults } from "./set-defaults.ts";
import { shapeFaults } from "./shape-faults.ts";

/** The reader of a kind. @param name Of its definition: `io.k8s.api.core.v1.Pod`. */
export function builtinSchema(schemas: KubeSchemas, name: string): ObjectSchema {
  const declared = schemas.resolve(name);
  return {
    declared,
    read(object) {
      const { unknown, error } = decodeObject(object, declared);
      if (error !== undefined) return { unknown, faults: [], unreadable: error };
      setDefaults(object, declared);
      return { unknown, faults: shapeFaults(object, declared) };
    },
    compare: () => [],
  };
}
