/** The OpenAPI documents of an API: written when they are asked for, kept until what is served changes. */
import { takesJson } from "../discovery/answer-paths.ts";
import { answerWithTag, contentHash } from "../discovery/entity-tag.ts";
import type { Served } from "../discovery/served-resources.ts";
import type { JsonObject } from "../json.ts";
import type { KindDefinition } from "../kind.ts";
import type { KubeSchemas } from "../kinds/kube-schemas.ts";
import { notAcceptable } from "../refusal.ts";
import { type Definitions, openApiDefinitions } from "./definitions.ts";
import { gnosticAsked, gnosticType, writeGnostic } from "./gnostic.ts";
import { groupVersions } from "./operations.ts";
import { writeV2 } from "./write-v2.ts";
import { writeV3 } from "./write-v3.ts";

/** Answers for `/openapi/`. */
export interface OpenApiDocuments {
  /** The answer at a path; undefined when nothing is there. @throws KubeError 406. */
  answer(served: Served, path: string, request: Request): Response | undefined;
}

/** What is written once for a state of the API. */
interface Written {
  readonly kinds: readonly KindDefinition[];
  readonly definitions: Definitions;
  readonly texts: Map<string, string>;
  /** The second version as protobuf. */
  gnostic: Uint8Array<ArrayBuffer> | undefined;
}

/** Opens them. */
export function openApiDocuments(schemas: KubeSchemas): OpenApiDocuments {
  let written: Written | undefined;
  const current = (served: Served): Written => {
    if (written === undefined || !isSame(written.kinds, served.kinds)) {
      const { kinds } = served;
      written = {
        kinds,
        definitions: openApiDefinitions(schemas, kinds),
        texts: new Map(),
        gnostic: undefined,
      };
    }
    return written;
  };
  return {
    answer(served, path, request) {
      if (path === "/openapi/v2") return answerV2(served, current(served), request);
      if (path === "/openapi/v3") return answerRoot(served, current(served));
      if (!path.startsWith("/openapi/v3/")) return undefined;
      return answerV3(served, current(served), path.slice("/openapi/v3/".length), request);
    },
  };
}

/** Kinds are values that stay the same as long as what made them does. */
function isSame(left: readonly KindDefinition[], right: readonly KindDefinition[]): boolean {
  return left.length === right.length && left.every((kind, index) => kind === right[index]);
}

function textOf(written: Written, name: string, write: () => JsonObject): string {
  const held = written.texts.get(name);
  if (held !== undefined) return held;
  const text = JSON.stringify(write());
  written.texts.set(name, text);
  return text;
}

const jsonHeaders = {
  "content-type": "application/json",
  "cache-control": "no-cache, private",
  vary: "Accept",
};

function answerV2(served: Served, written: Written, request: Request): Response {
  const accept = request.headers.get("accept") ?? "";
  const write = (): JsonObject => writeV2(served, written.definitions);
  if (accept.includes(gnosticAsked) || accept.includes(gnosticType)) {
    written.gnostic ??= writeGnostic(write());
    return answerWithTag(request, written.gnostic, { ...jsonHeaders, "content-type": gnosticType });
  }
  if (!takesJson(accept)) throw notAcceptable();
  return answerWithTag(request, textOf(written, "v2", write), jsonHeaders);
}

/** The list of documents, each with its hash in its address: who has that one need not ask again. */
function answerRoot(served: Served, written: Written): Response {
  const paths = Object.fromEntries(
    groupVersions(served).map((at) => {
      const text = textOf(written, at.path, () => writeV3(served, written.definitions, at));
      return [at.path, { serverRelativeURL: `/openapi/v3/${at.path}?hash=${contentHash(text)}` }];
    }),
  );
  return Response.json({ paths }, { headers: { "cache-control": "no-cache, private" } });
}

function answerV3(served: Served, written: Written, path: string, request: Request): Response | undefined {
  const at = groupVersions(served).find((candidate) => candidate.path === path);
  if (at === undefined) return undefined;
  if (!takesJson(request.headers.get("accept") ?? "")) throw notAcceptable();
  const text = textOf(written, at.path, () => writeV3(served, written.definitions, at));
  const isNamed = new URL(request.url).searchParams.get("hash") === contentHash(text);
  // A document at the address of its content never changes.
  const cache = isNamed ? "public, immutable, max-age=31536000" : jsonHeaders["cache-control"];
  return answerWithTag(request, text, { ...jsonHeaders, "cache-control": cache });
}
