/** `namespaces/finalize`: says who still holds a Namespace that is being deleted. Its emptying is finalize's. */
import { asObjectOf } from "./read-body.ts";
import { jsonEqual, objectOr, textsOf } from "./json.ts";
import type { Transaction } from "./object-store.ts";
import { conflict, modifiedMeanwhile, notFound } from "./refusal.ts";
import { readObject } from "./request-body.ts";
import { checkSameObject } from "./same-object.ts";
import type { SubresourceHandler, SubresourceRequest } from "./subresource.ts";
import { isReleased } from "./update-object.ts";
import type { WorkingObject } from "./working-object.ts";

/** Sets the finalizers of a Namespace's spec. */
export const finalizeHandler: SubresourceHandler = {
  group: "",
  resource: "namespaces",
  subresource: "finalize",
  verbs: ["update"],
  kind: { group: "", version: "v1", kind: "Namespace" },
  async handle(asked) {
    const { value } = await readObject(asked.request, asked.target.kind.kind);
    const sent = asObjectOf(asked.target, value);
    const isDryRun = asked.url.searchParams.getAll("dryRun").includes("All");
    const { store } = asked.context;
    const run = (tx: Transaction): WorkingObject => finalize(tx, asked, sent);
    return Response.json(isDryRun ? store.rehearse(run) : store.write(run));
  },
};

function finalize(
  tx: Transaction,
  { target, object }: SubresourceRequest,
  sent: WorkingObject,
): WorkingObject {
  const { kind } = target;
  const { name, uid } = object.metadata;
  const old = tx.read({ group: kind.group, resource: kind.resource, namespace: "", name });
  if (old === undefined) throw notFound(kind, name);
  if (old.metadata.uid !== uid) throw conflict(kind, name, modifiedMeanwhile);
  checkSameObject({ target, name, replaces: true }, sent.metadata, old.metadata);
  const finalizers = textsOf(objectOr(sent["spec"])["finalizers"]);
  const next = structuredClone(old);
  next["spec"] = finalizers.length === 0 ? {} : { finalizers };
  if (isReleased(target, next)) tx.remove(kind, next);
  else if (!jsonEqual(next, old)) tx.put(kind, next, old);
  return next;
}
