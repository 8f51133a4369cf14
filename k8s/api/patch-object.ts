/** Changing an object by a patch: merge (RFC 7386), JSON (RFC 6902) or, for built-in kinds, strategic. */
import type { Patch } from "#host/kube/kube-client.ts";
import { jsonPatch } from "./json-patch.ts";
import { resourceSchema } from "./apply/merge-schema.ts";
import { findVersion } from "./kind.ts";
import { mergePatch } from "./merge-patch.ts";
import { patchRefused, unsupportedMediaType } from "./refusal.ts";
import { strategicPatch } from "./strategic-patch.ts";
import { updateObject } from "./update-object.ts";
import type { WorkingObject } from "./working-object.ts";
import type { Target, WriteContext, WriteOptions, Written } from "./write-context.ts";

/** A patch of one object. */
export interface PatchRequest {
  readonly target: Target;
  readonly name: string;
  readonly patch: Patch;
  readonly options: WriteOptions;
}

/** Patches an object. @throws KubeError with the reason. */
export function patchObject(context: WriteContext, request: PatchRequest): Written {
  const { target, name, options, patch } = request;
  return updateObject(context, {
    target,
    name,
    options,
    replaces: false,
    change: (old) => applyPatch(target, old, patch),
  });
}

function applyPatch({ kind, version }: Target, old: WorkingObject, patch: Patch): unknown {
  switch (patch.kind) {
    case "merge":
      return mergePatch(old, patch.value);
    case "json": {
      // A copy: an operation that puts a value somewhere would share it with the caller.
      const patched = jsonPatch(old, structuredClone(patch.value));
      if (!patched.ok) throw patchRefused(patched.error);
      return patched.value;
    }
    case "strategic": {
      if (kind.isCustom) {
        const supported = ["application/json-patch+json", "application/merge-patch+json"];
        throw unsupportedMediaType(supported);
      }
      const schema = findVersion(kind, version)?.schema?.declared;
      return strategicPatch(old, patch.value, resourceSchema(schema));
    }
  }
}
