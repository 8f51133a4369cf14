/** The stage that takes off whatever speaks of identity and says who the caller is, from its certificate alone. */
import type { HeaderField } from "#core/h2/header-field.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { Exchange } from "./exchange.ts";

/** Names that only the mesh sets, wherever a request comes from; in trailers too. */
export function isIdentityField(name: string): boolean {
  return name === "x-forwarded-client-cert" || name.startsWith("x-lambient-") || name.startsWith("lambient-");
}

/** What a request from outside may not bring either: words of proxies before us, of which there are none. */
function isOutsideOnlyField(name: string): boolean {
  return (
    name.startsWith("x-forwarded-") ||
    name.startsWith("x-envoy-") ||
    name.startsWith("x-istio-") ||
    name === "forwarded" ||
    name === "x-real-ip"
  );
}

/** Names the caller in `x-forwarded-client-cert`, in Envoy's form: by whom it was seen, and its URI. */
export function nameCaller(exchange: Exchange, own: SpiffeId): undefined {
  const fields = exchange.head.headers.filter(([name]) => !isIdentityField(name));
  fields.push(["x-forwarded-client-cert", `By=${own};URI=${exchange.caller.identity}`]);
  exchange.head = { ...exchange.head, headers: fields };
}

/** At the edge: takes off what names identity or earlier hops, and says where the request came from. */
export function nameOutsider(exchange: Exchange): undefined {
  const fields: HeaderField[] = exchange.head.headers.filter(
    ([name]) => !isIdentityField(name) && !isOutsideOnlyField(name),
  );
  fields.push(["x-forwarded-for", exchange.caller.address], ["x-forwarded-proto", "http"]);
  exchange.head = { ...exchange.head, headers: fields };
}
