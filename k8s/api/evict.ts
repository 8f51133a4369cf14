/** `pods/eviction`: the deletion of a Pod under another permission. No kind here says that a Pod may not be evicted. */
import { admit } from "./admission/admit.ts";
import { deleteObject } from "./delete-object.ts";
import { deleteOptions } from "./delete-query.ts";
import { objectOr, textOr } from "./json.ts";
import { badRequest } from "./refusal.ts";
import { readBody } from "./request-body.ts";
import type { SubresourceHandler, SubresourceRequest } from "./subresource.ts";

/** Evicts Pods. */
export const evictionHandler: SubresourceHandler = {
  group: "",
  resource: "pods",
  subresource: "eviction",
  verbs: ["create"],
  kind: { group: "policy", version: "v1", kind: "Eviction" },
  handle: evict,
};

async function evict(asked: SubresourceRequest): Promise<Response> {
  const { request, url, target, object, context, user } = asked;
  const eviction = objectOr(await readBody(request));
  const { name } = object.metadata;
  if (textOr(objectOr(eviction["metadata"])["name"]) !== name) {
    throw badRequest("name in URL does not match name in Eviction object");
  }
  const options = deleteOptions(url.searchParams, eviction["deleteOptions"] ?? undefined);
  const { dryRun: isDryRun } = options;
  // Who has a say in the deletion of Pods has it here too.
  await admit(context, { user, target, name, subresource: "", verb: "delete", isDryRun }, (given) =>
    deleteObject(context, { target, name, options: { ...options, ...given } }),
  );
  const status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };
  return Response.json(status, { status: 201 });
}
