/** A container's variables, from what its spec and the objects that it names say. Pure. */
import { err, ok, type Result } from "#core/result.ts";
import type { Container, EnvFromSource, EnvVar, KeyRef, ResourceFieldRef } from "../../model/container.ts";
import { expandVariables } from "./expand.ts";

/** Where values come from. */
export interface EnvironmentSources {
  readonly namespace: string;
  /** The keys of a ConfigMap or Secret, decoded; undefined when there is none. */
  readonly configMap: (name: string) => ReadonlyMap<string, string> | undefined;
  readonly secret: (name: string) => ReadonlyMap<string, string> | undefined;
  readonly field: (path: string) => Result<string>;
  readonly resource: (ref: ResourceFieldRef) => Result<string>;
  /** Of Services; what the container says itself wins over them. */
  readonly services: ReadonlyMap<string, string>;
}

/** Resolves them. @returns why the container cannot be configured */
export function resolveEnvironment(
  container: Pick<Container, "env" | "envFrom">,
  sources: EnvironmentSources,
): Result<ReadonlyMap<string, string>> {
  const values = new Map(sources.services);
  for (const from of container.envFrom ?? []) {
    const keys = readAll(from, sources);
    if (!keys.ok) return keys;
    for (const [key, value] of keys.value) values.set((from.prefix ?? "") + key, value);
  }
  for (const variable of container.env ?? []) {
    const value = readOne(variable, sources, values);
    if (!value.ok) return value;
    if (value.value !== undefined) values.set(variable.name, value.value);
  }
  return ok(values);
}

const nothing: ReadonlyMap<string, string> = new Map();

function readAll(from: EnvFromSource, sources: EnvironmentSources): Result<ReadonlyMap<string, string>> {
  const [kind, ref, find] =
    from.secretRef === undefined
      ? (["configmap", from.configMapRef, sources.configMap] as const)
      : (["secret", from.secretRef, sources.secret] as const);
  if (ref === undefined) return ok(nothing);
  const keys = find(ref.name ?? "");
  if (keys !== undefined) return ok(keys);
  return ref.optional === true ? ok(nothing) : err(`${kind} "${ref.name ?? ""}" not found`);
}

/** Undefined when an optional source is not there: the variable is not set then. */
function readOne(
  { value, valueFrom }: EnvVar,
  sources: EnvironmentSources,
  earlier: ReadonlyMap<string, string>,
): Result<string | undefined> {
  if (valueFrom === undefined) return ok(expandVariables(value ?? "", earlier));
  if (valueFrom.fieldRef !== undefined) return sources.field(valueFrom.fieldRef.fieldPath);
  if (valueFrom.resourceFieldRef !== undefined) return sources.resource(valueFrom.resourceFieldRef);
  if (valueFrom.configMapKeyRef !== undefined) {
    return readKey({ kind: "ConfigMap", ref: valueFrom.configMapKeyRef, find: sources.configMap }, sources);
  }
  if (valueFrom.secretKeyRef !== undefined) {
    return readKey({ kind: "Secret", ref: valueFrom.secretKeyRef, find: sources.secret }, sources);
  }
  return ok("");
}

function readKey(
  from: { readonly kind: string; readonly ref: KeyRef; readonly find: EnvironmentSources["configMap"] },
  { namespace }: EnvironmentSources,
): Result<string | undefined> {
  const { kind, ref, find } = from;
  const name = ref.name ?? "";
  const keys = find(name);
  const found = keys?.get(ref.key);
  if (found !== undefined || ref.optional === true) return ok(found);
  return keys === undefined
    ? err(`${kind.toLowerCase()} "${name}" not found`)
    : err(`couldn't find key ${ref.key} in ${kind} ${namespace}/${name}`);
}
