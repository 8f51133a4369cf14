/** What Namespaces, Secrets and ConfigMaps keep to. */
import { jsonEqual, type JsonObject, objectOr, textsOf } from "../json.ts";
import type { KindRules } from "../kind.ts";
import { type FieldFault, forbiddenField, invalidValue, requiredValue } from "../refusal.ts";
import type { WorkingObject } from "../working-object.ts";

/** Holds a Namespace until its content is gone. */
export const namespaceFinalizer = "kubernetes";

/** The rules of Namespaces. @param kept Names of those that may not be deleted. */
export function namespaceRules(kept: readonly string[]): KindRules {
  return {
    onRead: labelWithName,
    onCreate(namespace) {
      namespace["spec"] = { finalizers: [namespaceFinalizer] };
      namespace["status"] = { phase: "Active" };
      return [];
    },
    onUpdate(namespace, old) {
      // Only the finalisation itself lets go of a namespace.
      namespace["spec"] = structuredClone(objectOr(old["spec"]));
      return [];
    },
    whyKept: (namespace) =>
      kept.includes(namespace.metadata.name) ? "this namespace may not be deleted" : undefined,
    isHeld: (namespace) => textsOf(objectOr(namespace["spec"])["finalizers"]).length > 0,
    onDeletionStart(namespace) {
      namespace["status"] = { ...objectOr(namespace["status"]), phase: "Terminating" };
    },
  };
}

/** The rules of Secrets. */
export const secretRules: KindRules = {
  onRead(secret) {
    mergeStringData(secret);
  },
  onCreate(secret) {
    secret["type"] ??= "Opaque";
    return [...mergeStringData(secret), ...keyFaults("data", secret["data"]), ...tlsFaults(secret)];
  },
  onUpdate(secret, old) {
    secret["type"] ??= old["type"];
    const faults = mergeStringData(secret);
    if (secret["type"] !== old["type"])
      faults.push(invalidValue("type", secret["type"], "field is immutable"));
    return [...faults, ...keyFaults("data", secret["data"]), ...immutableFaults(secret, old, ["data"])];
  },
};

/** The rules of ConfigMaps. */
export const configMapRules: KindRules = {
  onCreate: (map) => [
    ...keyFaults("data", map["data"]),
    ...keyFaults("binaryData", map["binaryData"]),
    ...sharedKeyFaults(map),
  ],
  onUpdate: (map, old) => [
    ...keyFaults("data", map["data"]),
    ...keyFaults("binaryData", map["binaryData"]),
    ...sharedKeyFaults(map),
    ...immutableFaults(map, old, ["data", "binaryData"]),
  ],
};

function labelWithName(namespace: WorkingObject): void {
  const { labels, name } = namespace.metadata;
  namespace.metadata.labels = { ...labels, "kubernetes.io/metadata.name": name };
}

function mergeStringData(secret: WorkingObject): FieldFault[] {
  const plain = objectOr(secret["stringData"]);
  delete secret["stringData"];
  const entries = Object.entries(plain);
  if (entries.length === 0) return [];
  const data: JsonObject = { ...objectOr(secret["data"]) };
  for (const [name, value] of entries) data[name] = Buffer.from(String(value)).toString("base64");
  secret["data"] = data;
  return [];
}

function keyFaults(field: string, data: unknown): readonly FieldFault[] {
  return Object.keys(objectOr(data)).flatMap((name) => {
    const why = keyFault(name);
    return why === undefined ? [] : [invalidValue(`${field}[${name}]`, name, why)];
  });
}

function keyFault(name: string): string | undefined {
  if (name.length > 253) return "must be no more than 253 characters";
  if (!/^[-._a-zA-Z0-9]+$/.test(name)) {
    return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
  }
  if (name === ".") return "must not be '.'";
  if (name === "..") return "must not be '..'";
  return name.startsWith("..") ? "must not start with '..'" : undefined;
}

/** A key of both would be one file of two contents. */
function sharedKeyFaults(map: WorkingObject): readonly FieldFault[] {
  const binary = objectOr(map["binaryData"]);
  return Object.keys(objectOr(map["data"]))
    .filter((name) => Object.hasOwn(binary, name))
    .map((name) => invalidValue(`data[${name}]`, name, "duplicate of key present in binaryData"));
}

function tlsFaults(secret: WorkingObject): readonly FieldFault[] {
  if (secret["type"] !== "kubernetes.io/tls") return [];
  const data = objectOr(secret["data"]);
  return ["tls.crt", "tls.key"]
    .filter((name) => data[name] === undefined)
    .map((name) => requiredValue(`data[${name}]`));
}

function immutableFaults(
  object: WorkingObject,
  old: WorkingObject,
  fields: readonly string[],
): readonly FieldFault[] {
  if (old["immutable"] !== true) return [];
  const changed = fields.filter((field) => !jsonEqual(object[field], old[field]));
  if (object["immutable"] !== true) changed.push("immutable");
  return changed.map((field) => forbiddenField(field, "field is immutable when `immutable` is set"));
}
