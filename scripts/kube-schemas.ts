/**
 * Writes k8s/api/kinds/kube-schemas.json: the shapes of the built-in kinds, from the OpenAPI documents of a Kubernetes API server.
 * Facts only: names, types, formats, what is required, defaults, how lists merge, and whether a
 * field's zero is left out (`x-lambient-omits-zero`); none of the descriptions.
 *
 * Run it as `bun scripts/kube-schemas.ts <source> <modules>`. The source is the URL of a server (`KUBE_TOKEN` for its
 * bearer token, `NODE_EXTRA_CA_CERTS` for its authority) or a folder with its `/openapi/v3` documents as files; the
 * modules are the folder with the Go modules `k8s.io/api` and `k8s.io/apimachinery`, whose structs' tags say the latter.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Documents that have all we serve, by path below `/openapi/v3`. */
const documents: readonly string[] = [
  "api/v1",
  "apis/apps/v1",
  "apis/batch/v1",
  "apis/coordination.k8s.io/v1",
  "apis/discovery.k8s.io/v1",
  "apis/rbac.authorization.k8s.io/v1",
  "apis/admissionregistration.k8s.io/v1",
  "apis/apiextensions.k8s.io/v1",
  "apis/authentication.k8s.io/v1",
  "apis/authorization.k8s.io/v1",
];

/** What is served; what these refer to comes along. */
const roots: readonly string[] = [
  namesOf(
    "io.k8s.api.core.v1",
    "Pod Node Event Namespace Service Endpoints Secret ConfigMap ServiceAccount Binding",
  ),
  namesOf("io.k8s.api.apps.v1", "Deployment ReplicaSet StatefulSet DaemonSet ControllerRevision"),
  namesOf("io.k8s.api.batch.v1", "Job"),
  namesOf("io.k8s.api.coordination.v1", "Lease"),
  namesOf("io.k8s.api.discovery.v1", "EndpointSlice"),
  namesOf("io.k8s.api.rbac.v1", "Role RoleBinding ClusterRole ClusterRoleBinding"),
  namesOf(
    "io.k8s.api.admissionregistration.v1",
    "ValidatingWebhookConfiguration MutatingWebhookConfiguration",
  ),
  namesOf("io.k8s.api.autoscaling.v1", "Scale"),
  namesOf("io.k8s.api.policy.v1", "Eviction"),
  namesOf("io.k8s.api.authentication.v1", "TokenRequest TokenReview SelfSubjectReview"),
  namesOf(
    "io.k8s.api.authorization.v1",
    "SubjectAccessReview LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview",
  ),
  namesOf("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1", "CustomResourceDefinition"),
  namesOf("io.k8s.apimachinery.pkg.apis.meta.v1", "DeleteOptions ListMeta ObjectMeta Patch Status"),
].flat();

function namesOf(folder: string, kinds: string): readonly string[] {
  return kinds.split(" ").map((kind) => `${folder}.${kind}`);
}

type Schema = Readonly<Record<string, unknown>>;

/** Keywords whose value says a fact by itself. */
const plain = new Set(
  `type format required enum default minimum maximum pattern uniqueItems nullable
  x-kubernetes-list-type x-kubernetes-list-map-keys x-kubernetes-map-type
  x-kubernetes-patch-strategy x-kubernetes-patch-merge-key x-kubernetes-unions
  x-kubernetes-int-or-string x-kubernetes-preserve-unknown-fields x-kubernetes-embedded-resource`.split(
    /\s+/,
  ),
);

const found = new Map<string, Schema>();

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A schema without words: keyword by keyword, so that a field called `description` stays. */
function compact(schema: Schema, refer: (name: string) => void): Schema {
  const out: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (plain.has(keyword)) out[keyword] = value;
    else if (keyword === "$ref") out["$ref"] = nameOf(value, refer);
    // One part in allOf is how a reference carries a default.
    else if (keyword === "allOf" && Array.isArray(value) && isSchema(value[0])) {
      out["$ref"] = nameOf(value[0]["$ref"], refer);
    } else if ((keyword === "items" || keyword === "additionalProperties") && isSchema(value)) {
      out[keyword] = compact(value, refer);
    } else if (keyword === "properties" && isSchema(value)) {
      out["properties"] = Object.fromEntries(
        Object.entries(value).map(([name, field]) => [name, compact(isSchema(field) ? field : {}, refer)]),
      );
    } else if (keyword === "oneOf") out["oneOf"] = value;
    else if (keyword === "x-kubernetes-group-version-kind") out[keyword] = ownKinds(value);
    else if (keyword !== "description")
      throw new Error(`Cannot read the schema's keyword "${keyword}": it is new`);
  }
  return out;
}

function nameOf(reference: unknown, refer: (name: string) => void): string {
  const name = String(reference).replace("#/components/schemas/", "");
  refer(name);
  return name;
}

/** DeleteOptions and its like are of every group: the core group's entry says enough. */
function ownKinds(kinds: unknown): unknown {
  return Array.isArray(kinds) && kinds.length > 2 ? kinds.slice(0, 1) : kinds;
}

async function readDocument(source: string, path: string): Promise<Schema> {
  if (/^https?:/.test(source)) {
    const headers = { authorization: `Bearer ${process.env["KUBE_TOKEN"] ?? ""}` };
    const response = await fetch(`${source}/openapi/v3/${path}`, { headers });
    if (!response.ok) throw new Error(`Cannot read ${path} from ${source}: ${response.status}`);
    return (await response.json()) as Schema;
  }
  const file = join(source, `${path.replaceAll("/", "__")}_openapi.json`);
  return JSON.parse(readFileSync(file, "utf8")) as Schema;
}

/** A field of a Go struct, as its tags say it. */
interface GoField {
  readonly type: string;
  /** In JSON; empty for the fields of an embedded struct. */
  readonly json: string;
  readonly omitsEmpty: boolean;
}

/** The structs of the modules by the names that OpenAPI gives them. */
function readStructs(folder: string): ReadonlyMap<string, readonly GoField[]> {
  const structsRead = new Map<string, readonly GoField[]>();
  for (const path of new Bun.Glob("{api,apimachinery}@*/**/*.go").scanSync(folder)) {
    const place = /^(\w+)@[^/]+\/(.+)\/[^/]+\.go$/.exec(path);
    if (place === null || path.endsWith("_test.go")) continue;
    const prefix = `io.k8s.${place[1]}.${(place[2] ?? "").replaceAll("/", ".")}`;
    const text = readFileSync(join(folder, path), "utf8");
    for (const [, name = "", body = ""] of text.matchAll(/^type (\w+) struct \{\n([\s\S]*?)^\}/gm)) {
      const lines = body.matchAll(/^\t(?:\w+\s+)?(\S+)\s+`[^`]*json:"([^"]*)"/gm);
      const fields = [...lines].map(([, type = "", tag = ""]) => {
        const [json = "", ...options] = tag.split(",");
        return { type, json, omitsEmpty: options.includes("omitempty") };
      });
      structsRead.set(`${prefix}.${name}`, fields);
    }
  }
  return structsRead;
}

/** Whether a field's zero is not written: it is no pointer, and its tag says so. */
function omitsZero(struct: string, field: string): boolean {
  const fields = structs.get(struct) ?? [];
  const own = fields.find(({ json }) => json === field);
  if (own !== undefined) return own.omitsEmpty && !own.type.startsWith("*");
  return fields
    .filter(({ json, type }) => json === "" && /^\w+$/.test(type))
    .some(({ type }) => omitsZero(struct.replace(/\w+$/, type), field));
}

function withZeros(name: string, schema: Schema): Schema {
  const { properties } = schema;
  if (!isSchema(properties)) return schema;
  const entries = Object.entries(properties).map(([field, value]) => {
    const isScalar = isSchema(value) && ["string", "boolean", "integer"].includes(String(value["type"]));
    if (!isScalar || !omitsZero(name, field)) return [field, value] as const;
    return [field, { ...value, "x-lambient-omits-zero": true }] as const;
  });
  return { ...schema, properties: Object.fromEntries(entries) };
}

const [, , source, modules] = process.argv;
if (source === undefined || modules === undefined) {
  throw new Error("Cannot start without a source and modules: name a server's URL or a folder, and a folder");
}
const structs = readStructs(modules);

const all = new Map<string, Schema>();
for (const path of documents) {
  const { components } = (await readDocument(source, path)) as {
    components: { schemas: Record<string, Schema> };
  };
  for (const [name, schema] of Object.entries(components.schemas)) all.set(name, schema);
}

const waiting = [...roots];
for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
  if (found.has(name)) continue;
  const schema = all.get(name);
  if (schema === undefined) throw new Error(`Cannot find "${name}" in any document`);
  found.set(
    name,
    compact(schema, (other) => waiting.push(other)),
  );
}

const definitions = Object.fromEntries(
  [...found]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, schema]) => [name, withZeros(name, schema)]),
);
const note =
  "Generated by scripts/kube-schemas.ts from a Kubernetes API server's OpenAPI documents: facts, no descriptions. Do not edit.";
const target = join(import.meta.dir, "../k8s/api/kinds/kube-schemas.json");
writeFileSync(target, `${JSON.stringify({ note, definitions })}\n`);
console.log(`${found.size} definitions`);
