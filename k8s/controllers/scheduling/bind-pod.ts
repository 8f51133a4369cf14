/** `pods/binding`: gives a Pod its node, once. Which node is the scheduler's matter. */
import type { Transaction } from "../../api/object-store.ts";
import { arrayOr, isJsonObject, objectOr, textOr } from "../../api/json.ts";
import { badRequest, conflict, notFound, success } from "../../api/refusal.ts";
import { readBody } from "../../api/request-body.ts";
import type { SubresourceHandler, SubresourceRequest } from "../../api/subresource.ts";
import type { WorkingObject } from "../../api/working-object.ts";
import { timestamp } from "../../api/write-context.ts";

/** The handler. */
export const podBinding: SubresourceHandler = {
  group: "",
  resource: "pods",
  subresource: "binding",
  verbs: ["create"],
  kind: { group: "", version: "v1", kind: "Binding" },
  async handle(asked) {
    const binding = await readBody(asked.request);
    if (!isJsonObject(binding)) throw badRequest("the body of the request must be a Binding");
    const { kind, name } = objectOr(binding["target"]);
    const isNode = kind === undefined || kind === "" || kind === "Node";
    if (!isNode || textOr(name) === "") {
      throw badRequest("Cannot bind a Pod to anything but a Node: set target.kind to Node and target.name");
    }
    const isDryRun = asked.url.searchParams.getAll("dryRun").includes("All");
    const run = (tx: Transaction): void => bind(tx, asked, textOr(name));
    if (isDryRun) asked.context.store.rehearse(run);
    else asked.context.store.write(run);
    return Response.json(success({}), { status: 201 });
  },
};

/** In one transaction with the look at what it was bound to before: of two schedulers one wins. */
function bind(tx: Transaction, { target, object, context }: SubresourceRequest, node: string): void {
  const { name, uid } = object.metadata;
  const { kind, namespace } = target;
  const old = tx.read({ group: kind.group, resource: kind.resource, namespace, name });
  if (old === undefined || old.metadata.uid !== uid) throw notFound(kind, name);
  const spec = objectOr(old["spec"]);
  const before = textOr(spec["nodeName"]);
  if (old.metadata.deletionTimestamp !== undefined) {
    throw conflict(kind, name, `pod ${name} is being deleted, cannot be assigned to a host`);
  }
  if (before !== "")
    throw conflict(kind, name, `pod ${name} is already assigned to node ${JSON.stringify(before)}`);
  const next = structuredClone(old);
  next["spec"] = { ...spec, nodeName: node };
  next["status"] = withScheduled(next, timestamp(context.nowMs()));
  tx.put(kind, next, old);
}

function withScheduled(pod: WorkingObject, now: string): Record<string, unknown> {
  const status = objectOr(pod["status"]);
  const others = arrayOr(status["conditions"]).filter((each) => objectOr(each)["type"] !== "PodScheduled");
  const scheduled = { type: "PodScheduled", status: "True", lastProbeTime: null, lastTransitionTime: now };
  return { ...status, conditions: [...others, scheduled] };
}
