/** In which form a client wants what it reads: objects as they are, rows of a Table, or metadata alone (meta.k8s.io). */
import { notAcceptable } from "./refusal.ts";
import { parseRow } from "./object-store.ts";
import { type ListPage, listText } from "./read-objects.ts";
import { type RowObject, tableOf } from "./table.ts";
import type { WatchLine } from "./watch-objects.ts";
import type { Target } from "./write-context.ts";

/** See the file's opening. A list of metadata is asked for by another name than one object's. */
export type Representation = "object" | "table" | "metadata" | "metadata-list";

/** The form of one answer. */
export interface View {
  readonly form: Representation;
  readonly target: Target;
  readonly nowMs: () => number;
  /** How much of each object a row of a Table carries. */
  readonly rowObject: RowObject;
}

const forms: Readonly<Record<string, Representation>> = {
  Table: "table",
  PartialObjectMetadata: "metadata",
  PartialObjectMetadataList: "metadata-list",
};

/** The first form a client names that there is; undefined: there is none of them. */
export function representationOf(accept: string): Representation | undefined {
  if (accept === "") return "object";
  for (const part of accept.split(",")) {
    const [type = "", ...rest] = part.split(";").map((word) => word.trim());
    if (type !== "application/json" && type !== "*/*" && type !== "application/*") continue;
    const parameters = new Map(rest.map((parameter) => parameter.split("=") as [string, string]));
    const as = parameters.get("as");
    if (as === undefined) return "object";
    const isKnown = parameters.get("g") === "meta.k8s.io" && parameters.get("v") === "v1";
    const form = Object.hasOwn(forms, as) ? forms[as] : undefined;
    if (isKnown && form !== undefined) return form;
  }
  return undefined;
}

/** The form of the answer to a request. @throws KubeError 406. */
export function viewOf(
  nowMs: () => number,
  asked: { readonly request: Request; readonly url: URL; readonly target: Target },
): View {
  const form = representationOf(asked.request.headers.get("accept") ?? "");
  if (form === undefined) throw notAcceptable();
  const wanted = asked.url.searchParams.get("includeObject");
  const rowObject = wanted === "None" || wanted === "Object" ? wanted : "Metadata";
  return { form, target: asked.target, nowMs, rowObject };
}

/** One object, from its JSON. @throws KubeError 406 for the form of a list. */
export function viewObject(view: View, text: string): string {
  switch (view.form) {
    case "object":
      return text;
    case "table":
      return tableText(view, { version: versionOf(text), texts: [text] });
    case "metadata":
      return metadataText(text);
    case "metadata-list":
      throw notAcceptable("you requested PartialObjectMetadataList, but the requested object is not a list");
  }
}

/** A page of a list. @throws KubeError 406 for the form of one object. */
export function viewPage(view: View, page: ListPage): string {
  switch (view.form) {
    case "object":
      return listText(view.target, page);
    case "table":
      return tableText(view, page);
    case "metadata":
      throw notAcceptable("you requested PartialObjectMetadata, but the requested object is a list");
    case "metadata-list": {
      const texts = page.texts.map(metadataText);
      return listText(view.target, { ...page, texts }, "PartialObjectMetadataList", "meta.k8s.io/v1");
    }
  }
}

/** A watch's line; errors stay what they are. */
export function viewLine(view: View, line: WatchLine): WatchLine {
  if (line.type === "ERROR" || view.form === "object") return line;
  if (view.form !== "table") return { ...line, text: metadataText(line.text) };
  return { ...line, text: tableText(view, { version: versionOf(line.text), texts: [line.text] }) };
}

function tableText({ target, nowMs, rowObject }: View, page: ListPage): string {
  return JSON.stringify(tableOf(target, page, { nowMs: nowMs(), rowObject }));
}

function metadataText(text: string): string {
  const { metadata } = parseRow({ text });
  return JSON.stringify({ kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata });
}

function versionOf(text: string): number {
  return Number(parseRow({ text }).metadata.resourceVersion);
}
