/** discovery.k8s.io/v1 EndpointSlice: its names, its columns and what it keeps to. */
import { parseIp } from "#core/address/ip.ts";
import { arrayOr, objectOr, textOr, textsOf } from "../json.ts";
import type { KindDefinition } from "../kind.ts";
import { type FieldFault, invalidValue, requiredValue } from "../refusal.ts";
import type { WorkingObject } from "../working-object.ts";
import { builtinKind } from "./builtin-kind.ts";
import { age, fewOf, text, worked } from "./columns.ts";
import type { KubeSchemas } from "./kube-schemas.ts";

const endpointsMax = 1000;
const addressesMax = 100;

/** The kind. */
export function endpointSliceKind(schemas: KubeSchemas): KindDefinition {
  return builtinKind(schemas, {
    names: ["endpointslices", "endpointslice", "EndpointSlice"],
    group: "discovery.k8s.io",
    definition: "discovery.v1.EndpointSlice",
    columns: [
      text("AddressType", ".addressType"),
      worked("Ports", (slice) => fewOf(arrayOr(slice["ports"]).map(portText))),
      worked("Endpoints", (slice) =>
        fewOf(arrayOr(slice["endpoints"]).flatMap((endpoint) => textsOf(objectOr(endpoint)["addresses"]))),
      ),
      age,
    ],
    check: endpointFaults,
    more: { countsGeneration: true },
  });
}

function portText(value: unknown): string {
  const { port, name } = objectOr(value);
  return typeof port === "number" ? String(port) : textOr(name) || "*";
}

function endpointFaults(slice: WorkingObject): readonly FieldFault[] {
  const endpoints = arrayOr(slice["endpoints"]).map(objectOr);
  if (endpoints.length > endpointsMax) {
    const message = `Too many: ${endpoints.length}: must have at most ${endpointsMax} items`;
    return [{ reason: "FieldValueTooMany", field: "endpoints", message }];
  }
  return endpoints.flatMap((endpoint, index) => {
    const addresses = textsOf(endpoint["addresses"]);
    const field = `endpoints[${index}].addresses`;
    if (addresses.length === 0) return [requiredValue(field)];
    if (addresses.length > addressesMax) {
      const message = `Too many: ${addresses.length}: must have at most ${addressesMax} items`;
      return [{ reason: "FieldValueTooMany" as const, field, message }];
    }
    if (slice["addressType"] === "FQDN") return [];
    return addresses.flatMap((address, at) =>
      parseIp(address).ok
        ? []
        : [
            invalidValue(
              `${field}[${at}]`,
              address,
              "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            ),
          ],
    );
  });
}
