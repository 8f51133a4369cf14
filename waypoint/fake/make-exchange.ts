/** Exchanges for tests: a GET of `web.shop` by `cart` unless told otherwise. */
import { parseIp } from "#core/address/ip.ts";
import type { RequestHead } from "#core/http1/head.ts";
import { formatSpiffeId } from "#core/identity/spiffe-id.ts";
import { noService } from "#core/routing/service-table.ts";
import { Ending } from "../ending.ts";
import type { Caller, Exchange } from "../exchange.ts";

const address = parseIp("10.244.0.3");

/** The caller `cart`. */
export const cart: Caller = {
  identity: formatSpiffeId({ trustDomain: "cluster.local", namespace: "shop", serviceAccount: "cart" }),
  // Sound: the text above is an address.
  address: address.ok ? address.value : ("" as never),
  key: "cart",
  connectContext: undefined,
  isOutside: false,
};

/** Makes one; fields given replace the defaults. */
export function makeExchange(fields: Partial<Exchange> = {}): Exchange {
  const received: RequestHead = fields.received ?? {
    method: "GET",
    target: "/",
    version: "1.1",
    headers: [["host", "web.shop"]],
  };
  return {
    id: 1,
    caller: cart,
    service: {
      ...noService,
      namespace: "shop",
      name: "web",
      hostname: "web.shop.svc",
      authority: "10.96.0.5:80",
    },
    received,
    head: received,
    framing: { kind: "none" },
    body: undefined,
    port: {
      informational() {},
      upgrade() {
        throw new Error("not upgraded here");
      },
      upgradeOver() {},
    },
    trace: {
      context: {
        traceId: "0af7651916cd43dd8448eb211c80319c",
        spanId: "b7ad6b7169203331",
        sampled: false,
      },
      parent: undefined,
      links: [],
    },
    startedMs: 0,
    ending: new Ending(),
    route: undefined,
    lease: undefined,
    answer: undefined,
    response: undefined,
    isUpgraded: false,
    upstream: undefined,
    upstreamIdentity: undefined,
    attempts: 0,
    flag: "-",
    detail: "",
    policy: "",
    bytesReceived: 0,
    bytesSent: 0,
    status: 0,
    ...fields,
  };
}
