/** What `kubectl get` shows of the built-in kinds. */
import { arrayOr, objectOr, textOr } from "../json.ts";
import type { PrinterColumn } from "../kind.ts";
import { countOf, portsText } from "../table.ts";
import { age, text } from "./columns.ts";

/** v1 Namespace. */
export const namespaceColumns: readonly PrinterColumn[] = [text("Status", ".status.phase"), age];

/** v1 Service. */
export const serviceColumns: readonly PrinterColumn[] = [
  text("Type", ".spec.type"),
  {
    ...text("Cluster-IP", ""),
    cell: (service) => textOr(objectOr(service["spec"])["clusterIP"]) || "<none>",
  },
  {
    ...text("External-IP", ""),
    cell: (service) => textOr(objectOr(service["spec"])["externalName"]) || "<none>",
  },
  { ...text("Port(s)", ""), cell: (service) => portsText(objectOr(service["spec"])["ports"]) },
  age,
];

/** v1 Secret. */
export const secretColumns: readonly PrinterColumn[] = [
  text("Type", ".type"),
  { name: "Data", type: "integer", jsonPath: "", cell: (secret) => countOf(secret, "data") },
  age,
];

/** v1 ConfigMap. */
export const configMapColumns: readonly PrinterColumn[] = [
  { name: "Data", type: "integer", jsonPath: "", cell: (map) => countOf(map, "data", "binaryData") },
  age,
];

/** v1 ServiceAccount. */
export const serviceAccountColumns: readonly PrinterColumn[] = [
  { name: "Secrets", type: "integer", jsonPath: "", cell: (account) => arrayOr(account["secrets"]).length },
  age,
];

/** discovery.k8s.io/v1 EndpointSlice. */
export const endpointSliceColumns: readonly PrinterColumn[] = [
  text("AddressType", ".addressType"),
  { ...text("Ports", ""), cell: (slice) => portsText(slice["ports"]) },
  text("Endpoints", ".endpoints[*].addresses"),
  age,
];

/** CustomResourceDefinition. */
export const definitionColumns: readonly PrinterColumn[] = [
  text("Created At", ".metadata.creationTimestamp"),
];
