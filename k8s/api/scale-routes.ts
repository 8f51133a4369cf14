/** The verbs on an object's `scale`: reading it, and changing how many the object wants. */
import { admit, type AskedWrite } from "./admission/admit.ts";
import type { User } from "./api.ts";
import type { ApiContext } from "./api-context.ts";
import { applyObject } from "./apply-object.ts";
import { jsonPatch } from "./json-patch.ts";
import { type JsonObject, objectOr } from "./json.ts";
import type { ScalePaths } from "./kind.ts";
import { scaleTable } from "./kinds/scale-columns.ts";
import { mergePatch } from "./merge-patch.ts";
import { parseRow } from "./object-store.ts";
import { getText } from "./read-objects.ts";
import { methodNotAllowed, patchRefused } from "./refusal.ts";
import { representationOf } from "./representation.ts";
import { readBody, readPatch, type ReadPatch } from "./request-body.ts";
import type { Verb } from "./request-path.ts";
import { configOfScale, replicasOf, scaleOf, withScale } from "./scale.ts";
import { tableOf } from "./table.ts";
import { updateObject } from "./update-object.ts";
import type { WorkingObject } from "./working-object.ts";
import type { Target, WriteOptions, Written } from "./write-context.ts";
import { patchOptions, writeOptions, type WriteRequest } from "./write-query.ts";

/** A request for the scale of an object. */
export interface ScaleRequest {
  readonly request: Request;
  readonly user: User;
  readonly verb: Verb;
  readonly target: Target;
  readonly name: string;
  readonly paths: ScalePaths;
  readonly write: WriteRequest;
}

/** Answers it. @throws KubeError with the reason. */
export async function answerScale(context: ApiContext, asked: ScaleRequest): Promise<Response> {
  const { verb, target, name, paths } = asked;
  switch (verb) {
    case "get": {
      const object = parseRow({ text: getText(context.store, target, name) });
      return showScale(context, asked.request, scaleOf(paths, object));
    }
    case "update":
      return answerUpdate(context, asked);
    case "patch":
      return answerPatch(context, asked);
    case "list":
    case "watch":
    case "create":
    case "delete":
    case "deletecollection":
      throw methodNotAllowed(target.kind);
  }
}

function showScale(context: ApiContext, request: Request, scale: JsonObject): Response {
  if (representationOf(request.headers.get("accept") ?? "") !== "table") return Response.json(scale);
  const { resourceVersion } = objectOr(scale["metadata"]);
  const page = { version: Number(resourceVersion), texts: [JSON.stringify(scale)] };
  const options = { nowMs: context.nowMs(), rowObject: "Metadata" } as const;
  return Response.json(tableOf(scaleTable, page, options));
}

async function answerUpdate(context: ApiContext, asked: ScaleRequest): Promise<Response> {
  const scale = await readBody(asked.request);
  const options = writeOptions("UpdateOptions", asked.write);
  return changed(context, asked, { options, scaleFor: () => scale, replaces: true });
}

async function answerPatch(context: ApiContext, asked: ScaleRequest): Promise<Response> {
  const { target, name, paths } = asked;
  const patch = await readPatch(asked.request, target.kind.isCustom);
  const { isForced, ...options } = patchOptions(asked.write, patch.kind === "apply");
  if (patch.kind === "apply") {
    const config = configOfScale({ ...target, paths }, patch.value);
    const applied = await admit(context, writeOf(asked, "patch", options), (given) =>
      applyObject(context, {
        target,
        name,
        config,
        options: { manager: "", ...options, ...given },
        isForced,
      }),
    );
    return scaleResponse(paths, applied);
  }
  return changed(context, asked, { options, scaleFor: (before) => patched(before, patch), replaces: false });
}

function patched(scale: JsonObject, patch: ReadPatch): unknown {
  // A Scale has no lists, so that merging strategically is merging.
  if (patch.kind !== "json") return mergePatch(scale, patch.value);
  const result = jsonPatch(scale, patch.value);
  if (!result.ok) throw patchRefused(result.error);
  return result.value;
}

async function changed(
  context: ApiContext,
  asked: ScaleRequest,
  how: {
    readonly options: WriteOptions;
    readonly scaleFor: (before: JsonObject) => unknown;
    readonly replaces: boolean;
  },
): Promise<Response> {
  const { target, name, paths } = asked;
  const { options, replaces } = how;
  const change = (old: WorkingObject): unknown => {
    const scale = how.scaleFor(scaleOf(paths, old));
    return withScale(paths, old, { scale, replicas: replicasOf(target.kind, scale) });
  };
  const written = await admit(context, writeOf(asked, replaces ? "update" : "patch", options), (given) =>
    updateObject(context, { target, name, change, replaces, options: { ...options, ...given } }),
  );
  return scaleResponse(paths, written);
}

function writeOf(
  { user, target, name }: ScaleRequest,
  verb: AskedWrite["verb"],
  options: WriteOptions,
): AskedWrite {
  return { user, target, name, subresource: "scale", verb, isDryRun: options.dryRun === true };
}

function scaleResponse(paths: ScalePaths, written: Written): Response {
  return Response.json(scaleOf(paths, written.object));
}
