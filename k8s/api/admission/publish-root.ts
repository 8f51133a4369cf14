/** Keeps in every namespace the ConfigMap by which Pods verify this API. */
import { isAlreadyExists } from "#host/kube/kube-error.ts";
import { createObject } from "../create-object.ts";
import type { JobContext } from "../finalize.ts";
import type { Job } from "../job-queue.ts";
import { objectOr } from "../json.ts";
import { parseRow } from "../object-store.ts";
import { updateObject } from "../update-object.ts";
import { rootConfigMap } from "./account-volume.ts";

const configMap = { group: "", resource: "configmaps", name: rootConfigMap } as const;
const options = { manager: "root-ca-publisher" } as const;

/** Whether an object is one of them. */
export function isRootConfigMap(row: {
  readonly group: string;
  readonly resource: string;
  readonly name: string;
}): boolean {
  return row.group === configMap.group && row.resource === configMap.resource && row.name === configMap.name;
}

/** Makes it what it is to be, unless the namespace is going or there is nothing to publish. */
export function publishRoot(context: JobContext, namespace: string): Job {
  return {
    name: `root ${namespace}`,
    run() {
      const { rootCertificate, store, registry } = context;
      const kind = registry.find(configMap.group, configMap.resource);
      const home = store.read({ group: "", resource: "namespaces", namespace: "", name: namespace });
      if (rootCertificate === undefined || kind === undefined || home === undefined) return false;
      if (parseRow(home).metadata.deletionTimestamp !== undefined) return false;
      const target = { kind, version: kind.storageVersion, namespace };
      const data = { "ca.crt": rootCertificate };
      const row = store.read({ ...configMap, namespace });
      try {
        if (row === undefined)
          createObject(context, target, { metadata: { name: rootConfigMap }, data }, options);
        else if (objectOr(parseRow(row)["data"])["ca.crt"] !== rootCertificate) {
          const change = (old: object): object => ({ ...old, data });
          updateObject(context, { target, name: rootConfigMap, change, replaces: false, options });
        }
      } catch (error) {
        // Somebody else was quicker; what they wrote brings this job again.
        if (!isAlreadyExists(error)) throw error;
      }
      return false;
    },
  };
}
