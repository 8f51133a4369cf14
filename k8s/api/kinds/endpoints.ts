/** v1 Endpoints, which EndpointSlices took the place of: older clients read nothing else. */
import { arrayOr, type JsonObject, objectOr, textOr } from "../json.ts";
import type { KindDefinition } from "../kind.ts";
import type { WorkingObject } from "../working-object.ts";
import { builtinKind } from "./builtin-kind.ts";
import { age, fewOf, numberOr0, worked } from "./columns.ts";
import type { KubeSchemas } from "./kube-schemas.ts";

/** The kind. */
export function endpointsKind(schemas: KubeSchemas): KindDefinition {
  return builtinKind(schemas, {
    names: ["endpoints", "endpoints", "Endpoints"],
    definition: "core.v1.Endpoints",
    shortNames: ["ep"],
    columns: [worked("Endpoints", endpointsText), age],
  });
}

function endpointsText(endpoints: WorkingObject): string {
  const texts = arrayOr(endpoints["subsets"]).map(objectOr).flatMap(subsetTexts);
  return texts.length === 0 ? "<none>" : fewOf(texts);
}

function subsetTexts(subset: JsonObject): readonly string[] {
  const addresses = arrayOr(subset["addresses"]).map((address) => textOr(objectOr(address)["ip"]));
  const ports = arrayOr(subset["ports"]).map((port) => numberOr0(objectOr(port)["port"]));
  if (ports.length === 0) return addresses;
  const written = addresses.map((address) => (address.includes(":") ? `[${address}]` : address));
  return ports.flatMap((port) => written.map((address) => `${address}:${port}`));
}
