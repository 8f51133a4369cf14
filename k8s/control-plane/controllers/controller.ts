/**
 * The loop that keeps the mesh as its objects wish: at every change it publishes what proxies read, at once, and then
 * does what the objects need, which makes further changes.
 */
import { AuthorizationSchema } from "#core/proto/istio/authorization_pb.js";
import { AddressSchema } from "#core/proto/istio/workload_pb.js";
import { RevisionTemplateSchema, WaypointSchema } from "#core/proto/lambient/discovery_pb.js";
import type { Clock } from "#host/clock.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import { verifyRelease } from "#core/release/release-signature.ts";
import type { PodPhase } from "../../model/pod.ts";
import { reconcileMesh } from "../../reconcile/reconcile-mesh.ts";
import {
  type InstanceObject,
  type MeshObjects,
  type MeshSettings,
  waypointClass,
} from "../../translate/mesh-objects.ts";
import { MeshTranslator } from "../../translate/mesh-translator.ts";
import type { MeshResources } from "../../translate/translate-mesh.ts";
import type { IdentityFacts } from "../authority/decide-identity.ts";
import type { ReleaseKey } from "../authority/release-key.ts";
import type { BundleStore } from "../bundles/bundle-store.ts";
import type { Deliveries } from "../discovery/deliveries.ts";
import type { ResourceSet } from "../discovery/resource-set.ts";
import type { ControlPlaneMetrics } from "../metrics.ts";
import type { NodeLink } from "../node/node-link.ts";
import { ActionRunner } from "./action-runner.ts";
import { watchMesh } from "./mesh-watch.ts";
import { makePaced } from "./paced.ts";
import { performAction } from "./perform-action.ts";
import { rememberVerdicts } from "./remember-verdicts.ts";

/** What the loop works with. */
export interface ControllerOptions {
  readonly client: KubeClient;
  readonly settings: MeshSettings;
  readonly resources: ResourceSet;
  readonly deliveries: Deliveries;
  readonly releaseKey: ReleaseKey;
  readonly node: Pick<NodeLink, "request">;
  readonly bundles: Pick<BundleStore, "find">;
  readonly instances: () => readonly InstanceObject[];
  readonly metrics: ControlPlaneMetrics;
  readonly clock: Clock;
  readonly log: Log;
}

/** See the file's head. */
export interface Controller {
  /** Whether everything that existed at the start has been published. */
  readonly isSynced: boolean;
  /** Resolves when that is so. */
  readonly synced: Promise<void>;
  /** The mesh as the certificate authority asks for it. */
  facts(): IdentityFacts;
  objects(): MeshObjects;
  /** Something outside the API changed: the instances, or whether the node answers. */
  changed(): void;
  /** A node came that can make checks, or a bundle that one may have waited for. */
  retryChecks(): void;
  close(): void;
}

/** Starts the loop. */
export function openController(options: ControllerOptions): Controller {
  const { clock, log, metrics, settings, releaseKey } = options;
  const translator = new MeshTranslator();
  let isPublished = false;
  let isReconcilingWanted = true;
  const synced = Promise.withResolvers<void>();

  const now = (): string => new Date(clock.nowMs()).toISOString().replace(/\.\d+Z$/, "Z");
  const objects = (): MeshObjects => ({ settings, instances: options.instances(), ...watch.objects() });
  const publish = makePaced(clock, () => {
    if (!watch.isSynced) return;
    const startedMs = clock.monotonicMs();
    publishResources(options.resources, translator.translate(objects()));
    isPublished = true;
    synced.resolve();
    metrics.translations.add();
    metrics.translationSeconds.add((clock.monotonicMs() - startedMs) / 1000);
    if (!isReconcilingWanted) return;
    isReconcilingWanted = false;
    // After the turn in which streams are written to: what proxies enforce goes before what objects need.
    setImmediate(() => reconcile.request());
  });
  const changed = (kinds: ReadonlySet<string>): void => {
    // Nothing of the mesh is made because of a Pod.
    isReconcilingWanted ||= kinds.size > 1 || !kinds.has("Pod");
    publish.request();
  };
  const verify = rememberVerdicts((each) => verifyRelease(each, releaseKey.publicKey));
  const reconcile = makePaced(clock, () => {
    // It is asked for again once what proxies read is published: a status must not be ahead of it.
    if (!publish.isWanted) runner.offer(reconcileMesh(objects(), verify, now()));
  });
  const runner = new ActionRunner({
    perform: (action) => performAction(action, { ...options, now }),
    onSettled: () => reconcile.request(),
    onFailure(name, error, retryInMs) {
      metrics.actionFailures.add();
      log.warn("action failed", { action: name, error: errorText(error), retryInMs: Math.round(retryInMs) });
    },
    clock,
  });
  const watch = watchMesh({
    client: options.client,
    onChange: changed,
    onError: (kind, error) => log.warn("watch failed", { kind, error: errorText(error) }),
  });
  return {
    get isSynced() {
      return isPublished;
    },
    synced: synced.promise,
    facts: () => identityFacts(objects()),
    objects,
    changed: () => changed(new Set()),
    retryChecks() {
      runner.retryChecks();
      reconcile.request();
    },
    close() {
      publish.close();
      reconcile.close();
      runner.close();
      watch.close();
    },
  };
}

/** All four in one turn, so that what belongs together is sent together; the order is the streams' business. */
function publishResources(
  resources: ResourceSet,
  { policies, templates, addresses, waypoints }: MeshResources,
): void {
  resources.replace(AuthorizationSchema, policies);
  resources.replace(RevisionTemplateSchema, templates);
  resources.replace(AddressSchema, addresses);
  resources.replace(WaypointSchema, waypoints);
}

function hasEnded(phase: PodPhase | undefined): boolean {
  return phase === "Succeeded" || phase === "Failed";
}

/** Revisions that are still there may have instances, whatever their Function says by now. */
function identityFacts({ settings, functions, revisions, gateways, pods }: MeshObjects): IdentityFacts {
  const ofFunctions = functions.map(
    ({ metadata, spec }) => `${metadata.namespace}/${spec.serviceAccountName ?? metadata.name}`,
  );
  const ofRevisions = revisions.map(
    ({ metadata, spec }) => `${metadata.namespace}/${spec.serviceAccountName}`,
  );
  const ofWaypoints = gateways
    .filter(({ spec }) => spec.gatewayClassName === waypointClass)
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  const ofPods = pods
    .filter(({ spec, status }) => spec.nodeName === settings.node && !hasEnded(status?.phase))
    .map(({ metadata, spec }) => `${metadata.namespace}/${spec.serviceAccountName ?? "default"}`);
  return {
    trustDomain: settings.trustDomain,
    rootNamespace: settings.rootNamespace,
    podAccounts: new Set(ofPods),
    functionAccounts: new Set([...ofFunctions, ...ofRevisions]),
    waypointAccounts: new Set(ofWaypoints),
  };
}
