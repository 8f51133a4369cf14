/** What the API says of this node's Pods: who is to be in the mesh, and which policies hold for each. Gathers and asks; acts on nothing. */
import type { KubeClient, ObjectEvent, WatchOptions } from "#host/kube/kube-client.ts";
import type { KubeObject, ResourceType } from "#host/kube/object.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import {
  type AuthorizationPolicyObject,
  authorizationPolicyResource,
} from "../../model/authorization-policy.ts";
import { type NamespaceObject, namespaceResource } from "../../model/core-objects.ts";
import {
  type PeerAuthenticationObject,
  peerAuthenticationResource,
} from "../../model/peer-authentication.ts";
import { type PodObject, podResource } from "../../model/pod.ts";
import {
  decideEnrolment,
  type EnrolmentDecision,
  type EnrolmentSettings,
} from "../../reconcile/enrolment/decide-enrolment.ts";
import { keysForPod } from "../../translate/policy-keys.ts";

/** What gathering needs. */
export interface WishOptions {
  readonly api: KubeClient;
  readonly log: Log;
  readonly node: string;
  readonly settings: EnrolmentSettings;
  /** Its policies without selector hold everywhere. */
  readonly rootNamespace: string;
  /** Something was said of a Pod, or of all of a namespace. */
  readonly onChange: (changed: PodObject) => void;
}

/** See the file's opening. */
export class EnrolmentWishes {
  readonly #options: WishOptions;
  readonly #ending = new AbortController();
  readonly #waitsFor = new Set<string>();
  readonly #pods = new Map<string, PodObject>();
  readonly #namespaces = new Map<string, NamespaceObject>();
  readonly #policies = new Map<string, AuthorizationPolicyObject>();
  readonly #peerAuthentications = new Map<string, PeerAuthenticationObject>();

  constructor(options: WishOptions) {
    this.#options = options;
  }

  /** What has not been told whole yet. */
  get waitsFor(): readonly string[] {
    return [...this.#waitsFor];
  }

  /** Starts following the API. */
  follow(): void {
    const fieldSelector = `spec.nodeName=${this.#options.node}`;
    this.#watch(namespaceResource, {}, (event) => this.onNamespace(event));
    this.#watch(authorizationPolicyResource, {}, (event) => keep(this.#policies, event));
    this.#watch(peerAuthenticationResource, {}, (event) => keep(this.#peerAuthentications, event));
    this.#watch(podResource, { fieldSelector }, (event) => this.onPod(event));
  }

  /** What is to become of a Pod; undefined while it is not known. */
  decisionFor(uid: string): EnrolmentDecision | undefined {
    const pod = this.#pods.get(uid);
    // Until all is told, a Pod could be taken for one without labels, and then go open that must not.
    if (pod === undefined || this.#waitsFor.size > 0) return undefined;
    const namespace = this.#namespaces.get(pod.metadata.namespace);
    return decideEnrolment(pod, namespace?.metadata, this.#options.settings);
  }

  /**
   * Asks what a Pod's namespace says now: a watch may tell of a Pod before it tells of the label that was written before the Pod was made.
   * @throws KubeError or MeshError when the API cannot be asked
   */
  async refresh(uid: string): Promise<void> {
    const name = this.#pods.get(uid)?.metadata.namespace;
    if (name === undefined) return;
    const now = await this.#options.api.get(namespaceResource, { name });
    const known = this.#namespaces.get(name);
    if (known === undefined || isNewer(now, known)) this.onNamespace({ type: "MODIFIED", object: now });
  }

  /** Keys of the policies that hold for a Pod. */
  policyKeysFor(uid: string): readonly string[] {
    const pod = this.#pods.get(uid);
    if (pod === undefined) return [];
    const { namespace, labels = {} } = pod.metadata;
    const { rootNamespace } = this.#options;
    const policies = [...this.#policies.values()];
    const peerAuthentications = [...this.#peerAuthentications.values()];
    const settings = { rootNamespace };
    return keysForPod({ policies, peerAuthentications, settings }, { namespace, labels });
  }

  /** The Pod as the API has it. */
  find(uid: string): PodObject | undefined {
    return this.#pods.get(uid);
  }

  onPod({ type, object }: ObjectEvent<PodObject>): void {
    const { uid } = object.metadata;
    if (type === "DELETED") this.#pods.delete(uid);
    else if (object.spec.nodeName === this.#options.node) this.#pods.set(uid, object);
    this.#options.onChange(object);
  }

  onNamespace({ type, object }: ObjectEvent<NamespaceObject>): void {
    const { name } = object.metadata;
    if (type === "DELETED") this.#namespaces.delete(name);
    else this.#namespaces.set(name, object);
    for (const pod of this.#pods.values()) if (pod.metadata.namespace === name) this.#options.onChange(pod);
  }

  close(): void {
    this.#ending.abort();
  }

  #watch<Kind extends KubeObject>(
    type: ResourceType<Kind>,
    selection: Pick<WatchOptions<Kind>, "fieldSelector">,
    onEvent: WatchOptions<Kind>["onEvent"],
  ): void {
    const { api, log } = this.#options;
    this.#waitsFor.add(type.resource);
    api.watch(type, {
      ...selection,
      onEvent,
      onSync: () => this.#onSync(type.resource),
      onError: (error) => log.warn("cannot follow the API", { kind: type.kind, error: errorText(error) }),
      signal: this.#ending.signal,
    });
  }

  #onSync(resource: string): void {
    this.#waitsFor.delete(resource);
    if (this.#waitsFor.size === 0) for (const pod of this.#pods.values()) this.#options.onChange(pod);
  }
}

function isNewer(a: KubeObject, b: KubeObject): boolean {
  return BigInt(a.metadata.resourceVersion) > BigInt(b.metadata.resourceVersion);
}

function keep<Kind extends KubeObject>(kept: Map<string, Kind>, { type, object }: ObjectEvent<Kind>): void {
  const { uid } = object.metadata;
  if (type === "DELETED") kept.delete(uid);
  else kept.set(uid, object);
}
