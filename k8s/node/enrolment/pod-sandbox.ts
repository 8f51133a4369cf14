/** What the kubelet hands over of a Pod, and what it is promised in return: the seam between running Pods and capturing them. */
import type { IpAddress } from "#core/address/ip.ts";
import type { Cgroup } from "#host/linux/cgroup.ts";
import type { NetworkNamespace } from "#host/linux/namespaces.ts";

/** A Pod's place on this machine; it stays the kubelet's, who closes it after {@link PodEnrolment.forget}. */
export interface PodSandbox {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  readonly address: IpAddress;
  /** The address that its resolver asks. */
  readonly nameserver: IpAddress;
  readonly network: NetworkNamespace;
  /** All processes of the Pod are in it or below it. */
  readonly cgroup: Cgroup;
  readonly interfaceName: "eth0";
}

/** Takes Pods into the mesh as their labels say, before they run and while they do. */
export interface PodEnrolment {
  /**
   * Resolves when the Pod's first container may start: enrolled if its labels say so. A Pod that runs already, after a restart
   * of this program, is taken over as it is.
   * @throws MeshError when it should be enrolled and cannot be: the Pod then must not start, and is tried again
   */
  admit(pod: PodSandbox): Promise<void>;
  /** The Pod is gone or ended. Idempotent. */
  forget(uid: string): Promise<void>;
  /** Ends the work of this program; what is captured stays captured. */
  close(): Promise<void>;
}
