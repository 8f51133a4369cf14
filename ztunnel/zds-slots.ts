/** What the node runtime asks by ZDS: slots, prepared and given their identity. */
import { formatIp } from "#core/address/ip.ts";
import type { Prepare } from "#core/proto/istio/zds_pb.js";
import type { Workloads } from "./workloads.ts";
import { unreadable, type ZdsServed } from "./zds.ts";

/** Serves slots as the node runtime asks. */
export function serveSlots(workloads: Workloads): ZdsServed {
  return {
    get uids() {
      return workloads.uids;
    },
    handle(payload, fds) {
      if (payload.case === "prepare") return prepare(workloads, payload.value, fds);
      if (payload.case === "add") {
        throw new Error(
          `Cannot serve workload ${payload.value.uid}: Pods are the node's, not the node runtime's`,
        );
      }
      if (fds.length > 0 || payload.case === undefined) throw unreadable(payload.case, fds);
      if (payload.case === "assign") workloads.assign(payload.value);
      else if (payload.case === "del") workloads.remove(payload.value.uid);
      return false;
    },
    onUnnamed: (uid) => workloads.remove(uid),
  };
}

function prepare(
  workloads: Workloads,
  { uid, address, nameserver }: Prepare,
  [namespaceFd, mapFd]: readonly number[],
): true {
  if (namespaceFd === undefined || mapFd === undefined) {
    throw new Error(`Cannot prepare slot ${uid}: wanted the descriptors of its namespace and its map`);
  }
  const addresses = { address: formatIp(address), nameserver: formatIp(nameserver) };
  workloads.prepare({ uid, ...addresses, namespaceFd, mapFd });
  return true;
}
