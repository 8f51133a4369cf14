/** `pods/eviction`: the deletion of a Pod under another permission. No kind here says that a Pod may not be evicted. */
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

async function evict({ request, url, target, object, context }: SubresourceRequest): Promise<Response> {
  const eviction = objectOr(await readBody(request));
  const { name } = object.metadata;
  if (textOr(objectOr(eviction["metadata"])["name"]) !== name) {
    throw badRequest("name in URL does not match name in Eviction object");
  }
  const options = deleteOptions(url.searchParams, eviction["deleteOptions"] ?? undefined);
  deleteObject(context, { target, name, options });
  const status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };
  return Response.json(status, { status: 201 });
}
