/** Opens the embedded API: reads top to bottom what it consists of. */
import type { Draft, KubeObject } from "#host/kube/object.ts";
import type { Api, ApiOptions } from "./api.ts";
import type { ApiContext } from "./api-context.ts";
import { WebhookIndex } from "./admission/webhook-index.ts";
import { Authorizer } from "./authorization/authorizer.ts";
import { bringAboutRoles } from "./authorization/bring-about-roles.ts";
import { programFacts } from "./authorization/named-objects.ts";
import { clusterAddresses } from "./kinds/cluster-address.ts";
import { builtinKinds } from "./kinds/builtin-kinds.ts";
import { readKubeSchemas } from "./kinds/kube-schemas.ts";
import { createObject } from "./create-object.ts";
import { definitionResource } from "./kinds/definition-kind.ts";
import { evictionHandler } from "./evict.ts";
import { finalizeHandler } from "./finalize-handler.ts";
import { followUp, followUpOnStart } from "./follow-up.ts";
import { handleRequest } from "./handle-request.ts";
import { InProcessClient } from "./in-process-client.ts";
import { JobQueue } from "./job-queue.ts";
import { isJsonObject } from "./json.ts";
import { KindRegistry } from "./kind-registry.ts";
import type { Change } from "./change.ts";
import { ObjectStore } from "./object-store.ts";
import { openApiDocuments } from "./openapi/open-api-documents.ts";
import { accessReviews } from "./reviews/access-reviews.ts";
import { selfSubjectReview } from "./reviews/self-subject-review.ts";
import { openAccounts } from "./tokens/open-accounts.ts";
import { resolveTarget } from "./resolve-target.ts";
import { updateObject } from "./update-object.ts";
import { WatchHub } from "./watch-hub.ts";
import type { WorkingObject } from "./working-object.ts";

const rowsAtOnce = 500;
const defaultNamespaces = ["default", "kube-node-lease", "kube-system", "lambient-system"];

/**
 * Opens the API and brings its own objects about: the namespaces, the definitions.
 * @throws MeshError when the file cannot be opened or is of another version; KubeError when a definition is refused.
 */
export function openApi(options: ApiOptions): Api {
  const namespaces = options.namespaces ?? defaultNamespaces;
  const addresses = clusterAddresses(
    options.serviceRange ?? "10.96.0.0/16",
    options.reservedAddresses ?? ["10.96.0.10"],
    options.random,
  );
  const nowMs = (): number => options.clock.nowMs();
  const schemas = readKubeSchemas();
  const registry = new KindRegistry(
    builtinKinds({ schemas, addresses, keptNamespaces: namespaces }),
    options.checks ?? {},
    nowMs,
  );
  const authorizer = new Authorizer(programFacts(() => store));
  const webhooks = new WebhookIndex();
  const accounts = openAccounts(options, () => store);
  const queue = new JobQueue(options.clock, options.log);
  const store = new ObjectStore(options.dataFile, (changes) => onCommit(changes), options.durability);
  const hub = new WatchHub(store.version, options.watchLimits);
  const context: ApiContext = {
    store,
    hub,
    registry,
    authorizer,
    webhooks,
    nowMs,
    clock: options.clock,
    log: options.log,
    openApi: openApiDocuments(schemas),
    subresources: [evictionHandler, finalizeHandler, accounts.request, ...(options.subresources ?? [])],
    reviews: [...accessReviews, selfSubjectReview, accounts.review, ...(options.reviews ?? [])],
    ...(options.rootCertificate === undefined ? {} : { rootCertificate: options.rootCertificate }),
    random: options.random,
    newUid: () => crypto.randomUUID(),
  };
  const onCommit = (changes: readonly Change[]): void => {
    for (const change of changes) {
      registry.observe(change);
      authorizer.observe(change);
      webhooks.observe(change);
    }
    hub.publish(changes);
    for (const change of changes) followUp(context, queue, change);
  };
  try {
    begin(context, queue, { namespaces, definitions: options.definitions ?? [] });
  } catch (error) {
    store.close();
    throw error;
  }
  return {
    handle: (request, user) => handleRequest(context, request, user),
    authenticate: (token) => accounts.authenticate(token),
    client: new InProcessClient(context),
    close() {
      queue.close();
      hub.close();
      store.close();
    },
  };
}

/** Takes in what is stored, brings about what must be, and finishes what was begun before. */
function begin(
  context: ApiContext,
  queue: JobQueue,
  own: { readonly namespaces: readonly string[]; readonly definitions: readonly Draft<KubeObject>[] },
): void {
  loadDefinitions(context);
  context.authorizer.load(context.store);
  context.webhooks.load(context.store);
  bringAbout(context, own.namespaces, own.definitions);
  followUpOnStart(context, queue);
  queue.drain();
  context.hub.forgetBefore(context.store.version);
}

function loadDefinitions(context: ApiContext): void {
  let after = { namespace: "", name: "" };
  for (;;) {
    const rows = context.store.page(definitionResource, after, rowsAtOnce);
    for (const row of rows) context.registry.observe({ ...row, type: "ADDED" });
    const last = rows.at(-1);
    if (last === undefined || rows.length < rowsAtOnce) return;
    after = { namespace: "", name: last.name };
  }
}

function bringAbout(
  context: ApiContext,
  namespaces: readonly string[],
  definitions: readonly Draft<KubeObject>[],
): void {
  for (const name of namespaces) {
    if (context.store.read({ group: "", resource: "namespaces", namespace: "", name }) !== undefined)
      continue;
    const at = { verb: "create", group: "", version: "v1", resource: "namespaces", namespace: "" } as const;
    createObject(context, resolveTarget(context.registry, at), { metadata: { name } });
  }
  for (const definition of definitions) installDefinition(context, definition);
  bringAboutRoles(context);
}

function installDefinition(context: ApiContext, definition: Draft<KubeObject>): void {
  const at = { verb: "create", ...definitionResource, version: "v1", namespace: "" } as const;
  const target = resolveTarget(context.registry, at);
  const name = definition.metadata.name ?? "";
  // Looked up first: to create is to compile its schema, which costs more than all the rest of opening.
  if (context.store.read({ ...definitionResource, namespace: "", name }) === undefined) {
    createObject(context, target, definition);
    return;
  }
  const change = (old: WorkingObject): unknown => withDefinition(old, definition);
  updateObject(context, { target, name, change, replaces: false, options: {} });
}

/** What we declare wins; what others put on its metadata stays. */
function withDefinition(old: WorkingObject, definition: Draft<KubeObject>): unknown {
  const wanted: unknown = definition;
  const spec = isJsonObject(wanted) ? wanted["spec"] : undefined;
  const labels = { ...old.metadata.labels, ...definition.metadata.labels };
  const annotations = { ...old.metadata.annotations, ...definition.metadata.annotations };
  return { ...old, metadata: { ...old.metadata, labels, annotations }, spec: structuredClone(spec) };
}
