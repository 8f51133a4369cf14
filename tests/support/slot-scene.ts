/** What ztunnel's tests under a scripted node have in common: a shop with a waypoint, two slots, an application and a resolver. */
import { create } from "@bufbuild/protobuf";
import { type IpAddress, ipBytes } from "#core/address/ip.ts";
import { formatAddresses } from "#core/dns/format-answer.ts";
import { parseQuery } from "#core/dns/message.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import {
  Action,
  type Authorization,
  AuthorizationSchema,
  Scope,
} from "#core/proto/istio/authorization_pb.js";
import { type Address, AddressSchema, TunnelProtocol } from "#core/proto/istio/workload_pb.js";
import {
  Egress_Mode,
  type RevisionTemplate,
  RevisionTemplateSchema,
} from "#core/proto/lambient/discovery_pb.js";
import type { Libc } from "#host/linux/libc.ts";
import { withNamespace } from "#host/linux/namespaces.ts";
import { startConnect, startListen } from "#host/linux/sockets.ts";
import { openTunnel } from "#host/tunnel/open-tunnel.ts";
import { listenTunnels, type TunnelListener } from "#host/tunnel/tunnel-listener.ts";
import type { Tunnel, TunnelRequest } from "#host/tunnel/tunnel.ts";
import { startZtunnelNode, type TestSlot, untilCertified, type ZtunnelNode } from "./ztunnel-node.ts";

/** A node with a waypoint, and two slots that ztunnel was told nothing of yet. */
export interface SlotScene extends AsyncDisposable {
  readonly node: ZtunnelNode;
  readonly web: TestSlot;
  readonly price: TestSlot;
  /** CONNECTs that the waypoint was asked. */
  readonly asked: TunnelRequest[];
  /** Peers that the application in the slot of `price` has seen. */
  readonly seen: string[];
}

/** Where the service of `price` is, and its waypoint. */
export const priceService = "10.96.0.5";
/** That waypoint's address. */
export const waypointAddress = "10.245.0.2";
/** The address beyond the host that every name outside the mesh leads to. */
export const internet = "192.0.2.2";

const ip = (text: string): IpAddress => text as IpAddress;

/** The SPIFFE id of an account of the shop. */
export function shopId(account: string): SpiffeId {
  return `spiffe://cluster.local/ns/shop/sa/${account}` as SpiffeId;
}

/** How a scene may differ. */
export interface SlotSceneOptions {
  /** Life of the certificates that the authority signs. */
  readonly certificateLifeMs?: number;
  readonly flags?: readonly string[];
  /** The resolver never answers. */
  readonly isResolverSilent?: boolean;
}

/** Starts a scene. */
export async function startSlotScene(libc: Libc, options: SlotSceneOptions = {}): Promise<SlotScene> {
  // The resolver is in the host's network, on the host's own address.
  const node = await startZtunnelNode(libc, ["--resolvers", "192.0.2.1", ...(options.flags ?? [])]);
  if (options.certificateLifeMs !== undefined) node.authority.lifeMs = options.certificateLifeMs;
  node.ads.set(AddressSchema, shopAddresses);
  node.ads.set(AuthorizationSchema, { "shop/only-web": shopPolicy("only-web", "web") });
  node.ads.set(RevisionTemplateSchema, shopTemplates());
  const asked: TunnelRequest[] = [];
  const seen: string[] = [];
  const web = node.makeSlot("slot-web", "10.244.0.2");
  const price = node.makeSlot("slot-price", "10.244.0.3");
  const waypoint = serveWaypoint(libc, node, asked);
  const resolver = await serveResolver(libc, node, options.isResolverSilent === true);
  const application = withNamespace(libc, price.namespace.fd, () =>
    Bun.listen({
      hostname: "0.0.0.0",
      port: 8080,
      socket: {
        open: (socket) => void seen.push(socket.remoteAddress),
        data: (socket, bytes) => void socket.write(bytes),
      },
    }),
  );
  // A template alone makes the identity's certificate, before any slot has it.
  await untilCertified(node, "web");
  await untilCertified(node, "price");
  return {
    node,
    web,
    price,
    asked,
    seen,
    async [Symbol.asyncDispose]() {
      waypoint.close();
      resolver.close();
      application.stop(true);
      await node[Symbol.asyncDispose]();
      for (const slot of [web, price]) slot[Symbol.dispose]();
    },
  };
}

/** What gives the slot of `web` its identity. */
export const assignWeb = {
  case: "assign" as const,
  value: { uid: "slot-web", revision: "shop/web-v1", namespace: "shop", serviceAccount: "web" },
};

/** What gives the slot of `price` its identity. */
export const assignPrice = {
  case: "assign" as const,
  value: { uid: "slot-price", revision: "shop/price-v1", namespace: "shop", serviceAccount: "price" },
};

/** Tells ztunnel of both slots and whose they are. @throws Error with ztunnel's refusal */
export async function assignSlots({ node, web, price }: SlotScene): Promise<void> {
  const answers = [
    await node.prepare(web),
    await node.prepare(price),
    await node.agent.say(assignWeb),
    await node.agent.say(assignPrice),
    await node.agent.say({ case: "snapshotSent", value: {} }),
  ];
  const refusals = answers.filter((answer) => answer !== "");
  if (refusals.length > 0) throw new Error(refusals.join("\n"));
}

/** A tunnel to the slot of `price`, as whoever and from wherever; as the waypoint and from its address by default. */
export async function tunnelToPrice(
  libc: Libc,
  { node, price }: SlotScene,
  account: string = "waypoint",
  from: string = waypointAddress,
): Promise<Tunnel> {
  const ends = { to: { address: price.address, port: 15008 }, from: { address: ip(from), port: 0 } };
  const fd = startConnect(libc, node.namespace.fd, ends, { freeBind: true });
  return await openTunnel({
    dial: { kind: "fd", fd },
    certificate: node.ads.ca.issue(`ns/shop/sa/${account}`),
    expectedPeers: new Set([shopId("price")]),
  });
}

/** The templates of both revisions; `price` is behind the waypoint. */
export function shopTemplates(
  policies: readonly string[] = ["shop/only-web"],
  waypointIdentity: string = shopId("waypoint"),
): Record<string, RevisionTemplate> {
  const common = { namespace: "shop", trustDomain: "cluster.local", port: 8080 };
  return {
    "shop/web-v1": create(RevisionTemplateSchema, {
      ...common,
      revision: "web-v1",
      function: "web",
      serviceAccount: "web",
      egress: { mode: Egress_Mode.LIST, hosts: ["allowed.example:80"] },
    }),
    "shop/price-v1": create(RevisionTemplateSchema, {
      ...common,
      revision: "price-v1",
      function: "price",
      serviceAccount: "price",
      waypointIdentity,
      authorizationPolicies: [...policies],
    }),
  };
}

/** A policy on the caller's principal. */
export function shopPolicy(name: string, account: string, action: Action = Action.ALLOW): Authorization {
  const principals = [
    { matchType: { case: "exact" as const, value: `cluster.local/ns/shop/sa/${account}` } },
  ];
  return create(AuthorizationSchema, {
    name,
    namespace: "shop",
    scope: Scope.WORKLOAD_SELECTOR,
    action,
    groups: [{ rules: [{ matches: [{ principals }] }] }],
  });
}

const shopAddresses: Record<string, Address> = {
  "shop/price.shop.svc.cluster.local": create(AddressSchema, {
    type: {
      case: "service",
      value: {
        name: "price",
        namespace: "shop",
        hostname: "price.shop.svc.cluster.local",
        addresses: [{ address: ipBytes(ip(priceService)) }],
        ports: [{ servicePort: 80, targetPort: 8080 }],
        waypoint: {
          destination: { case: "address", value: { address: ipBytes(ip(waypointAddress)) } },
          hboneMtlsPort: 15008,
        },
      },
    },
  }),
  waypoint: create(AddressSchema, {
    type: {
      case: "workload",
      value: {
        uid: "waypoint",
        name: "waypoint",
        namespace: "shop",
        serviceAccount: "waypoint",
        addresses: [ipBytes(ip(waypointAddress))],
        tunnelProtocol: TunnelProtocol.HBONE,
      },
    },
  }),
};

/** A waypoint that answers every CONNECT with an echo. */
export function serveWaypoint(libc: Libc, node: ZtunnelNode, asked: TunnelRequest[]): TunnelListener {
  const at = { address: ip(waypointAddress), port: 15008 };
  const fd = startListen(libc, node.namespace.fd, at, { freeBind: true });
  const certificate = node.ads.ca.issue("ns/shop/sa/waypoint");
  return listenTunnels({
    target: { kind: "fd", fd },
    choose: () => ({
      certificate,
      onConnect(request, responder) {
        asked.push(request);
        const stream = responder.accept();
        stream.handle({
          onData: (bytes) => void stream.write(bytes),
          onDrain() {},
          onEnd: () => stream.end(),
          onClose() {},
        });
      },
    }),
  });
}

/** A name server of the host to which every name leads to the internet's one address. */
function serveResolver(libc: Libc, node: ZtunnelNode, isSilent: boolean): Promise<{ close(): void }> {
  return withNamespace(libc, node.world.a.namespace.fd, () =>
    Bun.udpSocket({
      hostname: "192.0.2.1",
      port: 53,
      socket: {
        data(socket, bytes, port, address) {
          const query = parseQuery(Uint8Array.from(bytes));
          if (query.ok && !isSilent)
            socket.send(formatAddresses(query.value, [ip(internet)], 512), port, address);
        },
      },
    }),
  );
}
