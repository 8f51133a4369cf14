/** The parts that the control plane is built of, as they are handed from one step of its start to the next. */
import { type MetricsRegistry } from "#host/admin/metrics.ts";
import type { Issuer } from "#host/certificates/issuer.ts";
import { type Log, type LogLevel } from "#host/log.ts";
import type { Api } from "../api/api.ts";
import { type Authenticator } from "./authenticate.ts";
import { type ReleaseKey } from "./authority/release-key.ts";
import { type BundleStore } from "./bundles/bundle-store.ts";
import type { Config } from "./config.ts";
import { type Controller } from "./controllers/controller.ts";
import { type Deliveries } from "./discovery/deliveries.ts";
import { ResourceSet } from "./discovery/resource-set.ts";
import { type ControlPlaneMetrics } from "./metrics.ts";
import { type InstanceList } from "./node/instance-list.ts";
import { type NodeLink } from "./node/node-link.ts";
import { type SpanStore } from "./spans/span-store.ts";

/** What needs nothing else: keys, clock, log, metrics. */
export interface Base {
  readonly config: Config;
  readonly nowMs: () => number;
  readonly logging: { level: LogLevel };
  readonly log: Log;
  readonly registry: MetricsRegistry;
  readonly metrics: ControlPlaneMetrics;
  readonly issuer: Issuer;
  readonly releaseKey: ReleaseKey;
  readonly authenticator: Authenticator;
}

/** What is kept: in the data folder, but for the resources, which are made of it. */
export interface Stores {
  readonly api: Api;
  readonly bundles: BundleStore;
  readonly spans: SpanStore;
  readonly resources: ResourceSet;
  readonly deliveries: Deliveries;
  close(): void;
}

/** What acts: the controllers, and the node runtime that they ask. */
export interface Loop {
  readonly node: NodeLink;
  readonly instances: InstanceList;
  readonly controller: Controller;
  close(): void;
}
