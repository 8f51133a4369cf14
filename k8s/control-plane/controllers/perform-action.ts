/** Does one action against the API and the node runtime. */
import type { KubeClient } from "#host/kube/kube-client.ts";
import { isAlreadyExists, isNotFound } from "#host/kube/kube-error.ts";
import { revisionResource } from "#host/kube/known-resources.ts";
import { errorText, meshErrorCode } from "#host/mesh-error.ts";
import type { Action } from "../../reconcile/action.ts";
import { type CheckOutcome, revisionStatus } from "../../reconcile/reconcile-revisions.ts";
import type { ReleaseKey } from "../authority/release-key.ts";
import type { BundleStore } from "../bundles/bundle-store.ts";
import type { Deliveries } from "../discovery/deliveries.ts";
import type { NodeLink } from "../node/node-link.ts";

/** What actions are done with. */
export interface ActionTools {
  readonly client: KubeClient;
  readonly releaseKey: ReleaseKey;
  readonly node: Pick<NodeLink, "request">;
  readonly deliveries: Pick<Deliveries, "whenTaken">;
  readonly bundles: Pick<BundleStore, "find">;
  /** RFC 3339 */
  readonly now: () => string;
}

/** A check waits for a slot and then for the module to load, each within the activation timeout. */
const checkGraceMs = 15_000;
/** Kinds whose status is read as "from now on calls find it so". */
const saidOfProxies = new Set([
  "Function",
  "HTTPRoute",
  "AuthorizationPolicy",
  "PeerAuthentication",
  "Service",
]);
/** A proxy that hangs must not hold up what is said of the others for longer. */
const takenWithinMs = 1000;

/** Does it. @throws what the API refuses but for what was done already; a check that could not be made */
export async function performAction(action: Action, tools: ActionTools): Promise<void> {
  try {
    await perform(action, tools);
  } catch (error) {
    // Somebody, or an earlier try whose effect is not seen yet, did it.
    const isDone =
      ((action.kind === "create" || action.kind === "release") && isAlreadyExists(error)) ||
      (action.kind !== "create" && action.kind !== "release" && isNotFound(error));
    if (!isDone) throw error;
  }
}

async function perform(action: Action, tools: ActionTools): Promise<void> {
  const { client } = tools;
  switch (action.kind) {
    case "create":
      await client.create(action.type, action.draft);
      return;
    case "release": {
      const spec = { ...action.revision.spec, signature: tools.releaseKey.sign(action.revision) };
      const { metadata } = action.draft;
      await client.create(revisionResource, { metadata, spec });
      return;
    }
    case "patch":
      await client.patch(action.type, action.key, { kind: "merge", value: action.value });
      return;
    case "status": {
      if (saidOfProxies.has(action.type.kind)) await tools.deliveries.whenTaken(takenWithinMs);
      // The whole status is ours: a merge would keep fields that no longer hold.
      const value = [{ op: "add", path: "/status", value: action.status }];
      await client.patchStatus(action.type, action.key, { kind: "json", value });
      return;
    }
    case "delete":
      await client.delete(action.type, action.key, { uid: action.uid });
      return;
    case "check":
      await check(action, tools);
  }
}

async function check(action: Extract<Action, { kind: "check" }>, tools: ActionTools): Promise<void> {
  const { namespace, name } = action.revision;
  const revision = await tools.client.get(revisionResource, { namespace, name });
  const outcome = findMissing(action, tools) ?? (await askNode(action, tools));
  for (const each of revisionStatus(revision, outcome, tools.now())) await perform(each, tools);
  if (outcome.status !== "True") throw new Error(outcome.message);
}

/** A bundle may come after what names it: the check is made again when one does. */
function findMissing(
  { revision }: Extract<Action, { kind: "check" }>,
  { bundles }: ActionTools,
): CheckOutcome | undefined {
  const { bundle } = revision.spec;
  if (bundles.find(bundle) !== undefined) return undefined;
  const message = `Cannot load bundle ${bundle}: it was not uploaded; run "lambient bundle push <file>", or PUT it to /bundles/${bundle}`;
  return { status: "False", reason: "BundleMissing", message };
}

/** What is not the revision's fault leaves its readiness unknown; it is asked again. */
async function askNode(
  action: Extract<Action, { kind: "check" }>,
  tools: ActionTools,
): Promise<CheckOutcome> {
  const { namespace, name, spec } = action.revision;
  const timeoutMs = 2 * spec.scale.activationTimeoutMs + checkGraceMs;
  try {
    const answer = await tools.node.request("check", { revision: { namespace, name, spec } }, timeoutMs);
    return readAnswer(answer);
  } catch (error) {
    const isFault = meshErrorCode(error) === "bad-input";
    return isFault
      ? { status: "False", reason: "LoadFailed", message: errorText(error) }
      : { status: "Unknown", reason: "NodeUnavailable", message: errorText(error) };
  }
}

function readAnswer(answer: unknown): CheckOutcome {
  const { loaded, handlers, reason } = (typeof answer === "object" && answer !== null ? answer : {}) as {
    loaded?: unknown;
    handlers?: unknown;
    reason?: unknown;
  };
  if (loaded !== true) {
    const message = typeof reason === "string" ? reason : "the node runtime did not say why";
    return { status: "False", reason: "LoadFailed", message };
  }
  const names = Array.isArray(handlers) ? handlers.map(String).join(", ") : "";
  return { status: "True", reason: "Loaded", message: `it exports ${names}` };
}
