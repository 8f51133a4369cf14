/**
 * Writes k8s/api/protobuf/kube-messages.json: the numbers by which clients send the built-in kinds as protobuf, from the tags of
 * Kubernetes' own types. Facts only: field names, numbers, forms. Needs Go's module cache as `scripts/peers.ts` leaves it.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What clients send, by API version: the folder of its types, and the kinds. */
const roots: Readonly<Record<string, readonly [folder: string, kinds: string]>> = {
  v1: ["api core/v1", "Pod Node Event Namespace Service Secret ConfigMap ServiceAccount Binding"],
  "apps/v1": ["api apps/v1", "Deployment ReplicaSet StatefulSet DaemonSet"],
  "batch/v1": ["api batch/v1", "Job"],
  "coordination.k8s.io/v1": ["api coordination/v1", "Lease"],
  "discovery.k8s.io/v1": ["api discovery/v1", "EndpointSlice"],
  "events.k8s.io/v1": ["api events/v1", "Event"],
  "policy/v1": ["api policy/v1", "Eviction"],
  "autoscaling/v1": ["api autoscaling/v1", "Scale"],
  "rbac.authorization.k8s.io/v1": ["api rbac/v1", "Role RoleBinding ClusterRole ClusterRoleBinding"],
  "admissionregistration.k8s.io/v1": [
    "api admissionregistration/v1",
    "ValidatingWebhookConfiguration MutatingWebhookConfiguration",
  ],
  "authentication.k8s.io/v1": ["api authentication/v1", "TokenRequest TokenReview SelfSubjectReview"],
  "authorization.k8s.io/v1": [
    "api authorization/v1",
    "SubjectAccessReview LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview",
  ],
  "meta.k8s.io/v1": ["apimachinery pkg/apis/meta/v1", "DeleteOptions"],
};

/** Types whose encoding is their own. */
const special: Readonly<Record<string, string>> = {
  "meta/v1.Time": "time",
  "meta/v1.MicroTime": "micro-time",
  "meta/v1.Duration": "duration",
  "meta/v1.FieldsV1": "raw",
  "runtime.RawExtension": "raw",
  "resource.Quantity": "quantity",
  "intstr.IntOrString": "int-or-string",
};

const basic: Readonly<Record<string, string>> = {
  string: "string",
  bool: "bool",
  int32: "int",
  int64: "int",
  int: "int",
  uint32: "int",
  float64: "double",
  byte: "bytes",
};

/** A field: number, JSON name, form, and `l`ist, `m`ap, `p`ointer, `i`nline. */
type Field = readonly [number: number, name: string, form: string, flags: string];

interface Source {
  /** Struct bodies by name. */
  readonly structs: ReadonlyMap<string, string>;
  /** Other types by name. */
  readonly aliases: ReadonlyMap<string, string>;
  /** Import names and the folders they stand for. */
  readonly imports: ReadonlyMap<string, string>;
}

const modules = join(goModules(), "k8s.io");
const version =
  readdirSync(modules)
    .find((name) => /^api@v[\d.]+$/.test(name))
    ?.slice("api@".length) ?? "";
const sources = new Map<string, Source>();
const messages = new Map<string, readonly Field[]>();
const kinds: Record<string, string> = {};
for (const [apiVersion, [folder, names]] of Object.entries(roots)) {
  for (const kind of names.split(" ")) {
    kinds[`${apiVersion} ${kind}`] = addMessage(folder, kind);
  }
}
const lines = [...messages]
  .toSorted(([a], [b]) => (a < b ? -1 : 1))
  .map(([name, fields]) => `${JSON.stringify(name)}:${JSON.stringify(fields)}`);
writeFileSync(
  join(import.meta.dir, "../k8s/api/protobuf/kube-messages.json"),
  `{"version":${JSON.stringify(version)},"kinds":${JSON.stringify(kinds)},"messages":{\n${lines.join(",\n")}\n}}\n`,
);

function addMessage(folder: string, type: string): string {
  const key = `${shortOf(folder)}.${type}`;
  if (messages.has(key)) return key;
  const source = sourceOf(folder);
  const alias = source.aliases.get(type);
  if (alias?.startsWith("[]") === true) {
    // A list that has a name is a message with one field.
    const fields: Field[] = [];
    messages.set(key, fields);
    fields.push([1, "items", formOf(folder, alias.slice(2)), "lw"]);
    return key;
  }
  const body = source.structs.get(type);
  if (body === undefined) throw new Error(`Cannot find the type ${type} in ${folder}`);
  const fields: Field[] = [];
  messages.set(key, fields);
  for (const line of body.split("\n")) {
    const match = /^\s*(?:(\w+)\s+)?(\S+)\s+`json:"([^"]*)"[^`]*protobuf:"\w+,(\d+)/.exec(
      line.replace(/\/\/.*$/, ""),
    );
    if (match === null) continue;
    const [, , goType = "", json = "", number = ""] = match;
    fields.push(fieldOf(folder, { goType, json, number: Number(number), field: line }));
  }
  return key;
}

function fieldOf(
  folder: string,
  given: { readonly goType: string; readonly json: string; readonly number: number; readonly field: string },
): Field {
  const [name = "", ...options] = given.json.split(",");
  let flags = options.includes("inline") ? "i" : "";
  let type = given.goType;
  if (type.startsWith("*")) {
    flags += "p";
    type = type.slice(1);
  }
  type = resolve(folder, type);
  if (type === "[]byte") return [given.number, name, "bytes", flags];
  const map = /^map\[[^\]]+\](.+)$/.exec(type);
  if (map?.[1] !== undefined) return [given.number, name, valueForm(folder, map[1]), `${flags}m`];
  if (type.startsWith("[]")) return [given.number, name, formOf(folder, type.slice(2)), `${flags}l`];
  return [given.number, name, formOf(folder, type), flags];
}

function valueForm(folder: string, type: string): string {
  return type === "[]byte" ? "bytes" : formOf(folder, type);
}

/** Follows names to the list, map or string that they stand for. */
function resolve(folder: string, type: string): string {
  if (type.includes(".") || /^(\[\]|map\[)/.test(type)) return type;
  const alias = sourceOf(folder).aliases.get(type);
  if (alias === undefined || alias === type) return type;
  return resolve(folder, alias);
}

function formOf(folder: string, written: string): string {
  const type = written.replace(/^\*/, "");
  const known = basic[type];
  if (known !== undefined) return known;
  const at = type.indexOf(".");
  if (at >= 0) return formOfImported(folder, type.slice(0, at), type.slice(at + 1));
  const own = special[`${shortOf(folder)}.${type}`];
  if (own !== undefined) return own;
  const alias = sourceOf(folder).aliases.get(type);
  if (alias === undefined || alias.startsWith("[]")) return addMessage(folder, type);
  return formOf(folder, alias);
}

function formOfImported(folder: string, name: string, type: string): string {
  const imported = sourceOf(folder).imports.get(name) ?? "";
  const short = shortOf(imported);
  const own = special[`${short}.${type}`];
  if (own !== undefined) return own;
  return short === "types" ? "string" : formOf(imported, type);
}

/** `api core/v1` is `core/v1`; `apimachinery pkg/apis/meta/v1` is `meta/v1`; `apimachinery pkg/types` is `types`. */
function shortOf(folder: string): string {
  return /(?:(\w+\/v\w+)|(\w+))$/.exec(folder)?.[0] ?? folder;
}

function sourceOf(folder: string): Source {
  const known = sources.get(folder);
  if (known !== undefined) return known;
  const [module = "", path = ""] = folder.split(" ");
  const place = join(modules, `${module}@${version}`, path);
  const text = readdirSync(place)
    .filter((name) => name.endsWith(".go") && !name.endsWith("_test.go") && !name.includes("generated"))
    .map((name) => readFileSync(join(place, name), "utf8"))
    .join("\n");
  const structs = new Map(
    [...text.matchAll(/^type (\w+) struct \{\n(.*?)^\}/gms)].map(([, name = "", body = ""]) => [name, body]),
  );
  const aliases = new Map(
    [...text.matchAll(/^type (\w+) (?:= )?((?!struct|interface|func)\S+)(?: .*)?$/gm)].map(
      ([, name = "", type = ""]) => [name, type],
    ),
  );
  const imports = new Map(
    [...text.matchAll(/^\s*(?:import )?(\w+ )?"k8s\.io\/(api|apimachinery)\/([\w/]+)"$/gm)].map(
      ([, alias, owner = "", at = ""]) => [
        (alias ?? "").trim() || (at.split("/").at(-1) ?? ""),
        `${owner} ${at}`,
      ],
    ),
  );
  const source = { structs, aliases, imports };
  sources.set(folder, source);
  return source;
}

function goModules(): string {
  const asked = Bun.spawnSync(["go", "env", "GOMODCACHE"]);
  if (asked.exitCode !== 0) throw new Error("Cannot find Go's module cache: is go on the PATH?");
  return asked.stdout.toString().trim();
}
