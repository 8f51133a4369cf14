/** What the node asks by ZDS: Pods, taken into the mesh and let go. */
import { formatIp } from "#core/address/ip.ts";
import type { AddWorkload } from "#core/proto/istio/zds_pb.js";
import type { Pods } from "./pods.ts";
import { unreadable, type ZdsServed } from "./zds.ts";

/** Serves Pods as the node asks. */
export function servePods(pods: Pods): ZdsServed {
  return {
    get uids() {
      return pods.uids;
    },
    handle(payload, fds) {
      if (payload.case === "add") return add(pods, payload.value, fds);
      if (payload.case !== "del" || fds.length > 0) throw unreadable(payload.case, fds);
      if (payload.value.drain) pods.letGo(payload.value.uid);
      else pods.remove(payload.value.uid);
      return false;
    },
    // It may have left the mesh while the node was away: if it is gone, so are its connections.
    onUnnamed: (uid) => pods.letGo(uid),
  };
}

function add(pods: Pods, message: AddWorkload, fds: readonly number[]): true {
  const { uid, workloadInfo, lambientPod } = message;
  const [namespaceFd, mapFd] = fds;
  if (workloadInfo === undefined || lambientPod === undefined) {
    throw new Error(`Cannot serve Pod ${uid}: the node did not say its name, address and policies`);
  }
  if (namespaceFd === undefined || mapFd === undefined) {
    throw new Error(`Cannot serve Pod ${uid}: wanted the descriptors of its namespace and its map`);
  }
  const { address, nameserver, authorizationPolicies, capturesInbound, capturesDns } = lambientPod;
  for (const [what, bytes] of Object.entries({ address, nameserver })) {
    if (bytes.length !== 4) throw new Error(`Cannot serve Pod ${uid}: its ${what} is no IPv4 address`);
  }
  pods.add({
    uid,
    name: workloadInfo.name,
    namespace: workloadInfo.namespace,
    serviceAccount: workloadInfo.serviceAccount || "default",
    address: formatIp(address),
    nameserver: formatIp(nameserver),
    policyKeys: authorizationPolicies,
    capturesInbound,
    capturesDns,
    namespaceFd,
    mapFd,
  });
  return true;
}
