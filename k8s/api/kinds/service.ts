/** v1 Service: its names, its columns, its fields. */
import { arrayOr, objectOr, textOr, textsOf } from "../json.ts";
import type { KindDefinition } from "../kind.ts";
import type { WorkingObject } from "../working-object.ts";
import { builtinKind } from "./builtin-kind.ts";
import type { ClusterAddresses } from "./cluster-address.ts";
import { age, labelsText, numberOr0, specOf, text, wide, worked } from "./columns.ts";
import type { KubeSchemas } from "./kube-schemas.ts";
import { selectableFields } from "./selectable-fields.ts";
import { serviceRules } from "./service-rules.ts";

/** The kind. */
export function serviceKind(schemas: KubeSchemas, addresses: ClusterAddresses): KindDefinition {
  return builtinKind(schemas, {
    names: ["services", "service", "Service"],
    definition: "core.v1.Service",
    shortNames: ["svc"],
    categories: ["all"],
    columns: [
      text("Type", ".spec.type"),
      worked("Cluster-IP", (service) => textsOf(specOf(service)["clusterIPs"])[0] ?? "<none>"),
      worked("External-IP", externalText),
      worked("Port(s)", portsText),
      age,
      wide(worked("Selector", (service) => labelsText(specOf(service)["selector"]))),
    ],
    rules: serviceRules(addresses),
    more: {
      nameForm: "label",
      hasStatus: true,
      fields: selectableFields(["spec.clusterIP", "spec.type"]),
    },
  });
}

function externalText(service: WorkingObject): string {
  const { type, externalName, externalIPs } = specOf(service);
  if (type === "ExternalName") return textOr(externalName);
  return textsOf(externalIPs).join(",") || "<none>";
}

function portsText(service: WorkingObject): string {
  const ports = arrayOr(specOf(service)["ports"]).map(objectOr);
  const texts = ports.map((port) => {
    const nodePort = numberOr0(port["nodePort"]);
    const number = nodePort > 0 ? `${String(port["port"])}:${nodePort}` : String(port["port"]);
    return `${number}/${textOr(port["protocol"])}`;
  });
  return texts.join(",") || "<none>";
}
