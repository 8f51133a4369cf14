/** The embedded Kubernetes API's outside: how it is opened, asked over HTTP and used in-process. Not the listener, which its program owns. */
import type { KeyObject } from "node:crypto";
import type { Clock } from "#host/clock.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import type { Draft, KubeObject } from "#host/kube/object.ts";
import type { Log } from "#host/log.ts";
import type { ObjectCheck } from "./kind.ts";
import type { Durability } from "./store-file.ts";
import type { ReviewHandler, SubresourceHandler } from "./subresource.ts";
import type { WatchLimits } from "./watch-hub.ts";

/** Who asks, as its program authenticated it. */
export interface User {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  /** What else its authentication tells of it. */
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** How the API is opened. */
export interface ApiOptions {
  /** Path of the SQLite file, or `:memory:`. */
  readonly dataFile: string;
  /** What an acknowledged write outlives. Default the process. */
  readonly durability?: Durability;
  /** Range ClusterIPs come from. Default `10.96.0.0/16`. */
  readonly serviceRange?: string;
  /** ClusterIPs in the range that are never given out. Default `10.96.0.10`, the nameserver in slots. */
  readonly reservedAddresses?: readonly string[];
  /** Namespaces that always exist. Default `default`, `kube-node-lease`, `kube-system`, `lambient-system`. */
  readonly namespaces?: readonly string[];
  /** CustomResourceDefinitions that always exist in this form. */
  readonly definitions?: readonly Draft<KubeObject>[];
  /** What objects must keep to beyond their schemas, by the name of their definition. */
  readonly checks?: Readonly<Record<string, ObjectCheck>>;
  /** What acts on objects without being stored. Default none. */
  readonly subresources?: readonly SubresourceHandler[];
  /** Resources that only answer a `create`. Default none. */
  readonly reviews?: readonly ReviewHandler[];
  /** Signs the tokens of service accounts; default a new one, whose tokens end with the process. */
  readonly accountKey?: KeyObject;
  /** Users whose tokens are not service accounts', for TokenReview. Default none. */
  readonly authenticate?: (token: string) => Promise<User | undefined>;
  /**
   * PEM of what verifies this API's certificate. When given it is published in every namespace, and Pods get the
   * token of their account, with it, as a volume.
   */
  readonly rootCertificate?: string;
  /** Default those of watch-hub. */
  readonly watchLimits?: WatchLimits;
  readonly clock: Clock;
  /** A number of [0, 1), for generated names and addresses. */
  readonly random: () => number;
  readonly log: Log;
}

/** An open API. */
export interface Api {
  /** Answers a request of an authenticated user; undefined for one who is not: 401 except for health. */
  handle(request: Request, user: User | undefined): Promise<Response>;
  /** The user that a service account's token speaks for; undefined when it is none of ours or no longer good. */
  authenticate(token: string): Promise<User | undefined>;
  /** The same objects without HTTP, as one who may do everything. */
  readonly client: KubeClient;
  /** Ends every watch and closes the file. */
  close(): void;
}
