/** What ztunnel's tests with Pods have in common: a shop of two Pods in the mesh and one outside it, an echo in each, and who saw whom. */
import { create } from "@bufbuild/protobuf";
import { join } from "node:path";
import { type IpAddress, ipBytes } from "#core/address/ip.ts";
import {
  Action,
  type Authorization,
  AuthorizationSchema,
  Scope,
} from "#core/proto/istio/authorization_pb.js";
import { type Address, AddressSchema, NetworkMode, TunnelProtocol } from "#core/proto/istio/workload_pb.js";
import type { Libc } from "#host/linux/libc.ts";
import { withNamespace } from "#host/linux/namespaces.ts";
import { internet, waypointAddress } from "./slot-scene.ts";
import { type ScriptedNode, scriptNode } from "./scripted-node.ts";
import {
  captureBarePod,
  makeBarePod,
  type BareCapture,
  type BareCaptureOptions,
  preparePodNode,
  type BarePod,
} from "./captured-pod.ts";
import { slotNameserver, startZtunnelNode, untilCertified, type ZtunnelNode } from "./ztunnel-node.ts";

/** A node with Pods. */
export interface PodScene extends AsyncDisposable {
  readonly node: ZtunnelNode;
  /** Tells of Pods. */
  readonly pods: ScriptedNode;
  /** In the mesh. */
  readonly web: BarePod;
  readonly cart: BarePod;
  /** Outside it. */
  readonly plain: BarePod;
  /** Peers that the echo in each Pod has seen, as `<pod> <address>`. */
  readonly seen: string[];
  /** Their ports, in the same order. */
  readonly seenPorts: number[];
  /** Changes what discovery says of policies, and which of them each Pod's record names. */
  setPolicies(policies: Readonly<Record<string, Authorization>>, ofCart?: readonly string[]): void;
  /** Takes a Pod into the mesh. */
  enrol(pod: BarePod, options?: Partial<BareCaptureOptions>): Promise<BareCapture>;
}

/** The port of the echo in each Pod. */
export const echoPort = 8080;
/** The service in front of `cart`. */
export const cartService = "10.96.0.20";
/** A service whose endpoint is beyond the host. */
export const beyondService = "10.96.0.22";
/** A service behind the waypoint of slot-scene.ts. */
export const behindWaypoint = "10.96.0.21";

/** How a scene may differ. */
export interface PodSceneOptions {
  readonly flags?: readonly string[];
  readonly isCartEnrolled?: boolean;
}

/** Starts a scene; `web` and `cart` are in the mesh unless said otherwise. */
export async function startPodScene(libc: Libc, options: PodSceneOptions = {}): Promise<PodScene> {
  const node = await startZtunnelNode(libc, options.flags ?? []);
  preparePodNode(libc, node.namespace);
  const pods = scriptNode(libc, join(node.runDir, "pods.sock"));
  const [web, cart, plain] = ["web", "cart", "plain"].map((name, index) =>
    makeBarePod(libc, node.namespace, name, `10.244.0.${130 + index}`),
  ) as [BarePod, BarePod, BarePod];
  const seen: string[] = [];
  const seenPorts: number[] = [];
  const echoes = [web, cart, plain].map((pod) => serveEcho(libc, pod, seen, seenPorts));
  const captures: BareCapture[] = [];
  const isCartEnrolled = options.isCartEnrolled ?? true;
  const setPolicies = (
    policies: Readonly<Record<string, Authorization>>,
    ofCart: readonly string[] = [],
  ): void => {
    node.ads.set(AuthorizationSchema, policies);
    node.ads.set(AddressSchema, shopAddresses(isCartEnrolled, ofCart));
  };
  setPolicies({});
  const scene: PodScene = {
    node,
    pods,
    web,
    cart,
    plain,
    seen,
    seenPorts,
    setPolicies,
    async enrol(pod, captureOptions) {
      const capture = captureBarePod(libc, pod, pod.name, { nameserver: slotNameserver, ...captureOptions });
      captures.push(capture);
      const error = await pods.say(capture.request, capture.fds);
      if (error !== "") throw new Error(`Cannot enrol ${pod.name}: ${error}`);
      capture.addRules();
      return capture;
    },
    async [Symbol.asyncDispose]() {
      for (const echo of echoes) echo.stop(true);
      pods[Symbol.dispose]();
      await node[Symbol.asyncDispose]();
      for (const capture of captures) capture[Symbol.dispose]();
      for (const pod of [web, cart, plain]) pod[Symbol.dispose]();
    },
  };
  await pods.accept();
  await scene.enrol(web);
  if (isCartEnrolled) await scene.enrol(cart);
  await pods.say({ case: "snapshotSent", value: {} });
  await untilCertified(node, "web");
  return scene;
}

/** What denies whoever shows no identity, as a STRICT PeerAuthentication does. */
export const strictKey = "istio-system/istio_converted_static_strict";

/** That policy. */
export function strictPolicy(): Authorization {
  const notPrincipals = [{ matchType: { case: "presence" as const, value: {} } }];
  return create(AuthorizationSchema, {
    name: "istio_converted_static_strict",
    namespace: "istio-system",
    scope: Scope.WORKLOAD_SELECTOR,
    action: Action.DENY,
    groups: [{ rules: [{ matches: [{ notPrincipals }] }] }],
  });
}

/** Serves an echo and notes whom it sees. */
export function serveEcho(
  libc: Libc,
  pod: Pick<BarePod, "name" | "namespace">,
  seen: string[],
  seenPorts: number[] = [],
): Bun.TCPSocketListener {
  return withNamespace(libc, pod.namespace.fd, () =>
    Bun.listen<{ rest: Uint8Array[] }>({
      hostname: "0.0.0.0",
      port: echoPort,
      allowHalfOpen: true,
      socket: {
        open(socket) {
          socket.data = { rest: [] };
          seen.push(`${pod.name} ${socket.remoteAddress}`);
          seenPorts.push(socket.remotePort);
        },
        data(socket, bytes) {
          socket.data.rest.push(Uint8Array.from(bytes));
          writeRest(socket);
        },
        drain: writeRest,
        end(socket) {
          if (socket.data.rest.length === 0) socket.end();
          else socket.data.rest.push(new Uint8Array(0));
        },
      },
    }),
  );
}

/** Writes what waits; an empty piece is the end. */
function writeRest(socket: Bun.Socket<{ rest: Uint8Array[] }>): void {
  const { rest } = socket.data;
  for (let first = rest[0]; first !== undefined; first = rest[0]) {
    if (first.length === 0) {
      socket.end();
      return;
    }
    const taken = Math.max(0, socket.write(first));
    if (taken < first.length) {
      rest[0] = first.subarray(taken);
      return;
    }
    rest.shift();
  }
}

function shopAddresses(isCartEnrolled: boolean, policiesOfCart: readonly string[]): Record<string, Address> {
  const hostname = "cart.shop.svc.cluster.local";
  const workloads = [
    podAddress("web", 130, { tunnelProtocol: TunnelProtocol.HBONE }),
    podAddress("cart", 131, {
      tunnelProtocol: isCartEnrolled ? TunnelProtocol.HBONE : TunnelProtocol.NONE,
      authorizationPolicies: [...policiesOfCart],
      services: { [`shop/${hostname}`]: { ports: [{ servicePort: 80, targetPort: echoPort }] } },
    }),
    podAddress("plain", 132, {}),
    podAddress("price", 8, { tunnelProtocol: TunnelProtocol.HBONE }),
  ];
  const waypoint = create(AddressSchema, {
    type: {
      case: "workload",
      value: {
        uid: "waypoint",
        name: "waypoint",
        namespace: "shop",
        serviceAccount: "waypoint",
        addresses: [ipBytes(waypointAddress as IpAddress)],
        tunnelProtocol: TunnelProtocol.HBONE,
      },
    },
  });
  const service = create(AddressSchema, {
    type: {
      case: "service",
      value: {
        name: "cart",
        namespace: "shop",
        hostname,
        addresses: [{ address: ipBytes(cartService as IpAddress) }],
        ports: [{ servicePort: 80, targetPort: echoPort }],
      },
    },
  });
  const behind = create(AddressSchema, {
    type: {
      case: "service",
      value: {
        name: "behind",
        namespace: "shop",
        hostname: "behind.shop.svc.cluster.local",
        addresses: [{ address: ipBytes(behindWaypoint as IpAddress) }],
        ports: [{ servicePort: 80, targetPort: 8080 }],
        waypoint: {
          destination: { case: "address", value: { address: ipBytes(waypointAddress as IpAddress) } },
        },
      },
    },
  });
  return {
    ...Object.fromEntries(workloads),
    ...beyondAddresses(),
    waypoint,
    [`shop/${hostname}`]: service,
    "shop/behind.shop.svc.cluster.local": behind,
  };
}

/** As an EndpointSlice that somebody wrote: an address outside the mesh, under which nobody else is found. */
function beyondAddresses(): Record<string, Address> {
  const hostname = "beyond.shop.svc.cluster.local";
  const common = { namespace: "shop", name: "beyond" };
  const ports = [{ servicePort: 80, targetPort: 80 }];
  const addresses = [{ address: ipBytes(beyondService as IpAddress) }];
  const service = { ...common, hostname, addresses, ports };
  const workload = {
    ...common,
    uid: "beyond",
    addresses: [ipBytes(internet as IpAddress)],
    networkMode: NetworkMode.HOST_NETWORK,
    services: { [`shop/${hostname}`]: { ports } },
  };
  return {
    beyond: create(AddressSchema, { type: { case: "workload", value: workload } }),
    [`shop/${hostname}`]: create(AddressSchema, { type: { case: "service", value: service } }),
  };
}

type PodFields = Partial<
  Pick<Extract<Address["type"], { case: "workload" }>["value"], "tunnelProtocol" | "authorizationPolicies">
> & {
  readonly services?: Record<string, { ports: { servicePort: number; targetPort: number }[] }>;
};

function podAddress(name: string, host: number, fields: PodFields): [string, Address] {
  const uid = `Kubernetes//Pod/shop/${name}`;
  const value = {
    uid,
    name,
    namespace: "shop",
    serviceAccount: name,
    workloadName: name,
    canonicalName: name,
    addresses: [ipBytes(`10.244.0.${host}` as IpAddress)],
    ...fields,
  };
  return [uid, create(AddressSchema, { type: { case: "workload", value } })];
}
