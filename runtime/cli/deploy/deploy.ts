/** `lambient deploy`: bundles a manifest's functions, puts bundles and objects into the API, and waits until each is released or refused. */
import { join } from "node:path";
import { systemClock } from "#host/clock.ts";
import type { FunctionObject } from "#host/kube/known-resources.ts";
import { MeshError } from "#host/mesh-error.ts";
import { applyObject, find, type WantedObject } from "../api/apply-object.ts";
import { type MeshApi, openMeshApi } from "../api/mesh-api.ts";
import { functionKind, kindFinder, namespaceKind, resourcePath } from "../api/resource-path.ts";
import { bundleFunction, type FunctionBundle } from "../bundle/bundle-function.ts";
import { openBundlerSandbox } from "../bundle/bundler-sandbox.ts";
import { putBundle } from "../bundle/put-bundle.ts";
import { type Console, type Paint, paint } from "../console.ts";
import { formatTable, type OutputFormat, printResult } from "../output.ts";
import { functionObject } from "./function-object.ts";
import { type LoadedManifest, loadManifest } from "./load-manifest.ts";
import { decideRelease, describeServing, type ReleaseState } from "./release-state.ts";

/** The command's flags. */
export interface DeployOptions {
  readonly runDir: string;
  readonly format: OutputFormat;
  /** How long all releases together may take. */
  readonly timeoutMs: number;
}

interface Released {
  readonly function: string;
  readonly namespace: string;
  readonly action: string;
  readonly state: ReleaseState;
}

interface AppliedObject {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly action: string;
}

const askEveryMs = 25;

/** Runs the command. @throws MeshError naming each function that was refused and what serves instead */
export async function deploy(console: Console, place: string, options: DeployOptions): Promise<void> {
  const loaded = loadManifest(console.cwd, place);
  const api = openMeshApi(options.runDir);
  const bundles = await bundleAll(loaded);
  const { namespace } = loaded.manifest;
  await applyNamespace(api, namespace);
  // Policies and routes first: a function never runs without the rules that it came with.
  const objects = await applyObjects(api, loaded);
  for (const { digest, code } of bundles.values()) await putBundle(api, digest, code);
  const actions = await applyFunctions(api, loaded, bundles);
  const deadline = systemClock.monotonicMs() + options.timeoutMs;
  const released: Released[] = [];
  for (const [name, action] of actions) {
    released.push({
      function: name,
      namespace,
      action,
      state: await awaitRelease(api, namespace, name, deadline),
    });
  }
  const data = { functions: released.map(flatten), objects };
  printResult(
    console,
    options.format,
    data,
    () => describeObjects(objects) + describe(console, api, released),
  );
  refuseFailed(released, options.timeoutMs);
}

async function bundleAll(loaded: LoadedManifest): Promise<ReadonlyMap<string, FunctionBundle>> {
  const bundles = new Map<string, FunctionBundle>();
  using sandbox = await openBundlerSandbox();
  for (const [name, fn] of Object.entries(loaded.manifest.functions)) {
    bundles.set(name, await bundleFunction(sandbox, name, join(loaded.folder, fn.main)));
  }
  return bundles;
}

async function applyNamespace(api: MeshApi, name: string): Promise<void> {
  if ((await find(api, resourcePath(namespaceKind, undefined, name))) !== undefined) return;
  const { apiVersion, kind } = namespaceKind;
  await applyObject(api, namespaceKind, { apiVersion, kind, metadata: { name } });
}

async function applyObjects(api: MeshApi, loaded: LoadedManifest): Promise<readonly AppliedObject[]> {
  const applied: AppliedObject[] = [];
  const findKind = kindFinder(api);
  const kinds = await Promise.all(loaded.objects.map(({ apiVersion, kind }) => findKind(apiVersion, kind)));
  const ranked = loaded.objects
    .map((object, index) => ({ object, kind: kinds[index] }))
    .sort((a, b) => rank(a.object) - rank(b.object));
  for (const { object, kind } of ranked) {
    if (kind === undefined) continue; // as many kinds as objects were found
    const namespace = object.metadata.namespace ?? loaded.manifest.namespace;
    const placed = kind.namespaced ? { ...object, metadata: { ...object.metadata, namespace } } : object;
    const { action } = await applyObject(api, kind, placed);
    applied.push({
      kind: kind.kind,
      ...(kind.namespaced ? { namespace } : {}),
      name: object.metadata.name,
      action,
    });
  }
  return applied;
}

/** What others live in or are made of comes first. */
function rank({ kind }: WantedObject): number {
  if (kind === "Namespace") return 0;
  return kind === "CustomResourceDefinition" ? 1 : 2;
}

async function applyFunctions(
  api: MeshApi,
  { manifest }: LoadedManifest,
  bundles: ReadonlyMap<string, FunctionBundle>,
): Promise<ReadonlyMap<string, string>> {
  const actions = new Map<string, string>();
  for (const [name, fn] of Object.entries(manifest.functions)) {
    const wanted = functionObject(manifest, name, fn, bundles.get(name)?.digest ?? "");
    actions.set(name, (await applyObject(api, functionKind, wanted)).action);
  }
  return actions;
}

async function awaitRelease(
  ...[api, namespace, name, deadline]: [MeshApi, string, string, number]
): Promise<ReleaseState> {
  for (;;) {
    const object = await find(api, resourcePath(functionKind, namespace, name));
    // Sound: the API answers for a Function's path with a Function.
    const state: ReleaseState =
      object === undefined
        ? { kind: "failed", reason: "somebody deleted it meanwhile", serving: undefined }
        : decideRelease(object as FunctionObject);
    if (state.kind !== "pending" || systemClock.monotonicMs() > deadline) return state;
    await Bun.sleep(askEveryMs);
  }
}

function refuseFailed(released: readonly Released[], timeoutMs: number): void {
  const lines = released.flatMap(({ function: name, namespace, state }) => {
    const what = `Cannot release the function "${name}" in namespace "${namespace}"`;
    if (state.kind === "failed") return [`${what}: ${state.reason}; ${describeServing(state.serving)}`];
    if (state.kind === "pending") return [`${what} within ${timeoutMs} ms: ${state.reason}`];
    return [];
  });
  if (lines.length > 0) throw new MeshError("unavailable", lines.join("\n"));
}

const colours: Readonly<Record<ReleaseState["kind"], Paint>> = {
  ready: "good",
  pending: "waiting",
  failed: "bad",
};

function flatten({ function: name, namespace, action, state }: Released): object {
  const { kind, ...rest } = state;
  return { function: name, namespace, action, state: kind, ...rest };
}

function describeObjects(objects: readonly AppliedObject[]): string {
  return objects
    .map(
      ({ kind, namespace, name, action }) =>
        `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name} ${action}\n`,
    )
    .join("");
}

function describe(console: Console, api: MeshApi, released: readonly Released[]): string {
  if (released.length === 0) return "";
  const rows = released.map(({ function: name, namespace, action, state }) => {
    const [revision, url] = state.kind === "ready" ? [state.revision, state.url] : ["", ""];
    return [`${name}.${namespace}`, paint(console, colours[state.kind], state.kind), action, revision, url];
  });
  const table = formatTable({ head: ["FUNCTION", "STATE", "OBJECT", "SERVES", "URL IN THE MESH"], rows });
  if (released.every(({ state }) => state.kind !== "ready")) return table;
  return `${table}Call one from outside with "lambient invoke <function> -n <namespace>", or curl -H "Host: <function>.<namespace>" ${api.edge}/\n`;
}
