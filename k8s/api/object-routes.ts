/** The verbs on objects as HTTP: from query and body to the operation, and its outcome as a response. */
import { apiVersionOf } from "#host/kube/object.ts";
import type { User } from "./api.ts";
import { admit, type AskedWrite, isSeenByWebhooks } from "./admission/admit.ts";
import type { ApiContext } from "./api-context.ts";
import { applyObject } from "./apply-object.ts";
import { createObject } from "./create-object.ts";
import { deleteIn, deleteObject } from "./delete-object.ts";
import { deleteOptions } from "./delete-query.ts";
import { parseRow } from "./object-store.ts";
import { patchObject } from "./patch-object.ts";
import { listQuery, selectors, watchQuery } from "./query-options.ts";
import { getText, listPage, listText } from "./read-objects.ts";
import { badRequest, expired, methodNotAllowed, noSuchPath, success, tooNew } from "./refusal.ts";
import { viewLine, viewObject, viewOf, viewPage } from "./representation.ts";
import { readBody, readObject, readPatch } from "./request-body.ts";
import type { ResourceRequest } from "./request-path.ts";
import { answerScale } from "./scale-routes.ts";
import { TextResponse } from "./text-response.ts";
import { updateObject } from "./update-object.ts";
import { formatWatchLine, type WatchLine, watchObjects } from "./watch-objects.ts";
import { streamLines } from "./watch-response.ts";
import type { WorkingObject } from "./working-object.ts";
import type { Target, Written } from "./write-context.ts";
import { patchOptions, writeOptions, type WriteRequest } from "./write-query.ts";

/** A request whose kind is known and whose user may do it. */
export interface ObjectRequest {
  readonly request: Request;
  readonly url: URL;
  readonly parsed: ResourceRequest;
  readonly target: Target;
  readonly user: User;
}

/** Answers it. @throws KubeError with the reason. */
export async function answerObjectRequest(context: ApiContext, asked: ObjectRequest): Promise<Response> {
  const { scale } = asked.target.kind;
  if (asked.parsed.subresource === "scale" && scale !== undefined) {
    const { request, parsed, target, user } = asked;
    const { verb, name } = parsed;
    return answerScale(context, {
      request,
      user,
      verb,
      target,
      name,
      paths: scale,
      write: writeRequestOf(asked),
    });
  }
  checkSubresource(asked);
  switch (asked.parsed.verb) {
    case "get":
      return answerGet(context, asked);
    case "list":
      return answerList(context, asked);
    case "watch":
      return answerWatch(context, asked);
    case "create":
      return answerCreate(context, asked);
    case "update":
      return answerUpdate(context, asked);
    case "patch":
      return answerPatch(context, asked);
    case "delete":
      return answerDelete(context, asked);
    case "deletecollection":
      return answerDeleteCollection(context, asked);
  }
}

function checkSubresource({ parsed, target }: ObjectRequest): void {
  const { subresource, verb } = parsed;
  if (subresource === "") return;
  if (subresource !== "status" || !target.kind.hasStatus) throw noSuchPath();
  if (verb !== "get" && verb !== "update" && verb !== "patch") throw methodNotAllowed(target.kind);
}

function answerGet(context: ApiContext, asked: ObjectRequest): Response {
  const view = viewOf(context.nowMs, asked);
  return textResponse(viewObject(view, getText(context.store, asked.target, asked.parsed.name)));
}

function answerList(context: ApiContext, asked: ObjectRequest): Response {
  const { url, target } = asked;
  const query = listQuery(url.searchParams);
  const { store, hub } = context;
  if (query.notOlderThan > store.version) throw tooNew(query.notOlderThan, store.version);
  // Only the present is kept: what was before is as gone as after a compaction.
  if (query.exactly && query.notOlderThan < store.version) throw expired(query.notOlderThan, store.version);
  const page = listPage(store, target, query, hub.floor);
  return textResponse(viewPage(viewOf(context.nowMs, asked), page));
}

function answerWatch(context: ApiContext, asked: ObjectRequest): Response {
  const { request, url, target, parsed } = asked;
  const view = viewOf(context.nowMs, asked);
  const query = watchQuery(url.searchParams);
  const named = parsed.name === "" ? [] : selectors({ fieldSelector: `metadata.name=${parsed.name}` }).fields;
  const ended = new AbortController();
  const signal = AbortSignal.any([ended.signal, request.signal]);
  const batches = watchObjects(context, target, { ...query, fields: [...query.fields, ...named] }, signal);
  const format = (line: WatchLine): string => formatWatchLine(viewLine(view, line));
  const body = streamLines(batches, (lines) => lines.map(format).join(""), ended);
  return new Response(body, { headers: { "content-type": "application/json" } });
}

async function answerCreate(context: ApiContext, asked: ObjectRequest): Promise<Response> {
  const { value, duplicates } = await readObject(asked.request, asked.target.kind.kind);
  const options = { ...writeOptions("CreateOptions", writeRequestOf(asked)), duplicates };
  const written = await admit(context, askedWrite(asked, "create", options), (given) =>
    createObject(context, asked.target, value, { ...options, ...given }),
  );
  return writtenResponse(asked.target, written, 201);
}

async function answerUpdate(context: ApiContext, asked: ObjectRequest): Promise<Response> {
  const { target, parsed } = asked;
  const { value, duplicates } = await readObject(asked.request, asked.target.kind.kind);
  const options = { ...writeOptions("UpdateOptions", writeRequestOf(asked)), duplicates };
  const change = (): unknown => structuredClone(value);
  const request = { target, name: parsed.name, change, replaces: true };
  const written = await admit(context, askedWrite(asked, "update", options), (given) =>
    updateObject(context, { ...request, options: { ...options, ...given } }),
  );
  return writtenResponse(target, written, 200);
}

async function answerPatch(context: ApiContext, asked: ObjectRequest): Promise<Response> {
  const { target, parsed } = asked;
  const body = await readPatch(asked.request, asked.target.kind.isCustom);
  const { isForced, ...asks } = patchOptions(writeRequestOf(asked), body.kind === "apply");
  const options = { ...asks, duplicates: body.duplicates };
  const at = { target, name: parsed.name };
  const write = askedWrite(asked, "patch", options);
  if (body.kind === "apply") {
    const request = { ...at, config: body.value, isForced };
    const applied = await admit(context, write, (given) =>
      applyObject(context, { ...request, options: { manager: "", ...options, ...given } }),
    );
    return writtenResponse(target, applied, applied.isNew ? 201 : 200);
  }
  const patch =
    body.kind === "json"
      ? { kind: body.kind, value: asOperations(body.value) }
      : { kind: body.kind, value: body.value };
  const written = await admit(context, write, (given) =>
    patchObject(context, { ...at, patch, options: { ...options, ...given } }),
  );
  return writtenResponse(target, written, 200);
}

function askedWrite(
  { user, target, parsed, url }: ObjectRequest,
  verb: AskedWrite["verb"],
  options: { readonly dryRun?: boolean },
): AskedWrite {
  const { name, subresource } = parsed;
  const manager = url.searchParams.get("fieldManager");
  const write = { user, target, name, subresource, verb, isDryRun: options.dryRun === true };
  return manager === null ? write : { ...write, manager };
}

function writeRequestOf({ url, parsed, request }: ObjectRequest): WriteRequest {
  const userAgent = request.headers.get("user-agent") ?? "";
  return { query: url.searchParams, subresource: parsed.subresource, userAgent };
}

function asOperations(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw badRequest("a JSON patch must be an array of operations");
  return value;
}

async function answerDelete(context: ApiContext, asked: ObjectRequest): Promise<Response> {
  const { target, parsed } = asked;
  const options = deleteOptions(asked.url.searchParams, await readBody(asked.request));
  const { object, isGone } = await admit(context, askedWrite(asked, "delete", options), (given) =>
    deleteObject(context, { target, name: parsed.name, options: { ...options, ...given } }),
  );
  if (!isGone || target.kind.rules.returnsDeleted === true) return textResponse(textOf(target, object));
  const { name, uid } = object.metadata;
  const { group, resource } = target.kind;
  return Response.json(success({ name, ...(group === "" ? {} : { group }), kind: resource, uid }));
}

async function answerDeleteCollection(context: ApiContext, asked: ObjectRequest): Promise<Response> {
  const { target, url } = asked;
  const options = deleteOptions(url.searchParams, await readBody(asked.request));
  const page = listPage(context.store, target, listQuery(url.searchParams), context.hub.floor);
  const write = askedWrite(asked, "delete", options);
  if (isSeenByWebhooks(context, write)) {
    const deleted: string[] = [];
    for (const text of page.texts) {
      const { name, uid } = parseRow({ text }).metadata;
      const gone = await admit(context, { ...write, name }, (given) =>
        deleteObject(context, { target, name, options: { ...options, uid, ...given } }),
      );
      deleted.push(textOf(target, gone.object));
    }
    return textResponse(listText(target, { ...page, texts: deleted }));
  }
  const run = options.dryRun
    ? context.store.rehearse.bind(context.store)
    : context.store.write.bind(context.store);
  // The names were read in this same turn of the event loop: nothing can have changed since.
  const texts = run((tx) =>
    page.texts.map((text) => {
      const { name, uid } = parseRow({ text }).metadata;
      return textOf(target, deleteIn(tx, context, { target, name, options: { ...options, uid } }).object);
    }),
  );
  return textResponse(listText(target, { ...page, texts }));
}

function writtenResponse(target: Target, written: Written, status: number): Response {
  const response = textResponse(textOf(target, written.object), status);
  for (const warning of written.warnings) {
    response.headers.append("warning", `299 - ${JSON.stringify(warning.replaceAll(/[^ -~]/g, "?"))}`);
  }
  return response;
}

function textOf(target: Target, object: WorkingObject): string {
  const apiVersion = apiVersionOf({ group: target.kind.group, version: target.version });
  return JSON.stringify({ ...object, apiVersion });
}

function textResponse(text: string, status = 200): Response {
  return new TextResponse(text, { status, headers: { "content-type": "application/json" } });
}
