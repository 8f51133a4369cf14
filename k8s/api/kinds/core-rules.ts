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
    onCreate(namespace) {
      namespace["spec"] = { finalizers: [namespaceFinalizer] };
      namespace["status"] = { phase: "Active" };
      labelWithName(namespace);
      return [];
    },
    onUpdate(namespace, old) {
      // Only the finalisation itself lets go of a namespace.
      namespace["spec"] = structuredClone(objectOr(old["spec"]));
      labelWithName(namespace);
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
  onCreate: (map) => [...keyFaults("data", map["data"]), ...keyFaults("binaryData", map["binaryData"])],
  onUpdate: (map, old) => [
    ...keyFaults("data", map["data"]),
    ...keyFaults("binaryData", map["binaryData"]),
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
  return Object.keys(objectOr(data))
    .filter((name) => !/^[-._a-zA-Z0-9]{1,253}$/.test(name) || name === "." || name.startsWith(".."))
    .map((name) =>
      invalidValue(
        `${field}[${name}]`,
        name,
        "a key is at most 253 characters of [-._a-zA-Z0-9], and no path",
      ),
    );
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
