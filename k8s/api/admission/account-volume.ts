/** What a new Pod gets of its service account: the name, and a volume with token, root certificate and namespace. Nothing on updates. */
import { arrayOr, isJsonObject, type JsonObject, objectOr, textOr } from "../json.ts";
import { generatedName } from "../metadata.ts";
import type { Transaction } from "../object-store.ts";
import { forbidden } from "../refusal.ts";
import type { WorkingObject } from "../working-object.ts";
import type { Target, WriteContext } from "../write-context.ts";

/** Name of the ConfigMap with the root certificate, in every namespace. */
export const rootConfigMap = "kube-root-ca.crt";
const mountPath = "/var/run/secrets/kubernetes.io/serviceaccount";
/** An hour, and what is odd tells tokens that were not asked for from those that were. */
const tokenSeconds = 3607;
const defaultAccount = "default";
/** An instance of a function shown as a Pod runs elsewhere already. */
const instanceAnnotation = "lambient.dev/instance";

/** Adds them to a Pod; leaves all else, and Pods where nothing is published for them. @throws KubeError 403 when there is no such account. */
export function addAccountVolume(
  tx: Transaction,
  context: WriteContext,
  target: Target,
  pod: WorkingObject,
): void {
  const { group, resource } = target.kind;
  const spec = pod["spec"];
  if (context.rootCertificate === undefined) return;
  if (group !== "" || resource !== "pods" || !isJsonObject(spec)) return;
  if (pod.metadata.annotations?.[instanceAnnotation] !== undefined) return;
  const name = textOr(spec["serviceAccountName"]) || defaultAccount;
  spec["serviceAccountName"] = name;
  spec["serviceAccount"] = name;
  const account = accountOf(tx, target, pod, name);
  addPullSecrets(spec, account);
  if ((spec["automountServiceAccountToken"] ?? account?.["automountServiceAccountToken"]) === false) return;
  const volume = generatedName("kube-api-access-", context.random);
  const containers = ["initContainers", "containers"].flatMap((list) => arrayOr(spec[list]));
  const mounted = containers.filter((container) => isJsonObject(container) && mount(container, volume));
  if (mounted.length > 0) spec["volumes"] = [...arrayOr(spec["volumes"]), volumeOf(volume)];
}

function accountOf(
  ...[tx, target, pod, name]: [Transaction, Target, WorkingObject, string]
): WorkingObject | undefined {
  const { namespace } = target;
  const account = tx.read({ group: "", resource: "serviceaccounts", namespace, name });
  // The default account comes a moment after its namespace; nobody should have to wait for it.
  if (account !== undefined || name === defaultAccount) return account;
  const why = `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`;
  throw forbidden(target.kind, pod.metadata.name ?? "", why);
}

function addPullSecrets(spec: JsonObject, account: WorkingObject | undefined): void {
  if (arrayOr(spec["imagePullSecrets"]).length > 0) return;
  const secrets = arrayOr(account?.["imagePullSecrets"]);
  if (secrets.length > 0) spec["imagePullSecrets"] = structuredClone(secrets);
}

/** @returns whether the container took it; one that has something of its own there keeps that. */
function mount(container: JsonObject, volume: string): boolean {
  const mounts = arrayOr(container["volumeMounts"]);
  if (mounts.some((one) => objectOr(one)["mountPath"] === mountPath)) return false;
  container["volumeMounts"] = [...mounts, { name: volume, readOnly: true, mountPath }];
  return true;
}

function volumeOf(name: string): JsonObject {
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: tokenSeconds, path: "token" } },
        { configMap: { name: rootConfigMap, items: [{ key: "ca.crt", path: "ca.crt" }] } },
        {
          downwardAPI: {
            items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }],
          },
        },
      ],
      defaultMode: 0o644,
    },
  };
}
