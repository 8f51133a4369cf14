/** What a manifest says of a function as the Function object that the API holds. Pure. */
import {
  defaultLimits,
  defaultScale,
  type FunctionSpec,
  type RevisionTemplateSpec,
} from "#core/release/function-spec.ts";
import type { WantedObject } from "../api/apply-object.ts";
import { functionKind } from "../api/resource-path.ts";
import type { Manifest, ManifestFunction } from "../manifest/manifest.ts";

/** A Function as the API takes it. */
export interface WantedFunction extends WantedObject {
  readonly spec: FunctionSpec;
}

/** Makes the object; every default is stated in it, so that a later default changes no release. */
export function functionObject(
  manifest: Manifest,
  name: string,
  fn: ManifestFunction,
  bundle: string,
): WantedFunction {
  const { apiVersion, kind } = functionKind;
  return {
    apiVersion,
    kind,
    metadata: { name, namespace: manifest.namespace },
    spec: {
      group: manifest.group,
      serviceAccountName: fn.serviceAccountName ?? name,
      ...(fn.revision === undefined ? {} : { revision: fn.revision }),
      ...(fn.traffic === undefined ? {} : { traffic: fn.traffic }),
      template: template(fn, bundle),
      schedules: fn.schedules,
    },
  };
}

function template(fn: ManifestFunction, bundle: string): RevisionTemplateSpec {
  return {
    bundle,
    engine: fn.engine,
    env: fn.env,
    secrets: fn.secrets,
    bindings: fn.bindings,
    scale: { ...defaultScale, ...fn.scale },
    limits: { ...defaultLimits, ...fn.limits },
    egress: fn.egress,
  };
}
