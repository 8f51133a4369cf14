/** `lambient label`: sets and removes labels of an object, by the same request that `kubectl label` sends. */
import { isNotFound } from "#host/kube/kube-error.ts";
import type { KubeObject } from "#host/kube/object.ts";
import { MeshError } from "#host/mesh-error.ts";
import { kindOfWord, objectPath } from "./api/kind-words.ts";
import { openMeshApi } from "./api/mesh-api.ts";
import type { Console } from "./console.ts";
import { type LabelChange, parseLabelChanges } from "./label-changes.ts";
import { type OutputFormat, printResult } from "./output.ts";

/** The command's flags. */
export interface LabelOptions {
  readonly runDir: string;
  readonly namespace: string | undefined;
  readonly format: OutputFormat;
  /** Whether a label that has another value may be changed. */
  readonly overwrite: boolean;
}

/** What to change. */
export interface LabelTarget {
  /** `namespace`, `pod`, … */
  readonly word: string;
  readonly name: string;
  /** `key=value` sets, `key-` removes. */
  readonly changes: readonly string[];
}

/** Runs the command. @throws MeshError `bad-input` for what is no label, `already-exists` for one that has another value */
export async function label(console: Console, target: LabelTarget, options: LabelOptions): Promise<void> {
  const { word, name } = target;
  const kind = kindOfWord(word, "label");
  const changes = parseLabelChanges(target.changes);
  const api = openMeshApi(options.runDir);
  const path = await objectPath(api, kind, name, options.namespace);
  let object: KubeObject;
  try {
    object = (await api.json({ path })) as KubeObject;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new MeshError("not-found", `Cannot label the ${word} "${name}": there is none`, error);
  }
  const { labels = {} } = object.metadata;
  if (!options.overwrite) refuseTaken(changes, labels);
  const { resourceVersion } = object.metadata;
  const patch = {
    metadata: {
      labels: Object.fromEntries(changes.map(({ key, value }) => [key, value ?? null])),
      // What was read is what is changed: another's write in between is not overwritten unseen.
      ...(options.overwrite ? {} : { resourceVersion }),
    },
  };
  const changed = (await api.json({
    method: "PATCH",
    path,
    contentType: "application/merge-patch+json",
    body: JSON.stringify(patch),
  })) as KubeObject;
  const isChanged = changed.metadata.resourceVersion !== resourceVersion;
  console.err(`${kind.kind} "${name}" ${isChanged ? "labelled" : "has these labels already"}\n`);
  printResult(console, options.format, changed, () => "");
}

function refuseTaken(changes: readonly LabelChange[], labels: Readonly<Record<string, string>>): void {
  for (const { key, value } of changes) {
    const held = labels[key];
    if (value === undefined || held === undefined || held === value) continue;
    throw new MeshError(
      "already-exists",
      `Cannot set the label "${key}" to "${value}": it has the value "${held}"; --overwrite changes it`,
    );
  }
}
