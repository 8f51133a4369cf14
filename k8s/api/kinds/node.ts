/** v1 Node: its names, its columns, its fields. */
import { arrayOr, objectOr, textOr } from "../json.ts";
import type { KindDefinition } from "../kind.ts";
import type { WorkingObject } from "../working-object.ts";
import { builtinKind } from "./builtin-kind.ts";
import { age, conditionOf, specOf, statusOf, text, wide, worked } from "./columns.ts";
import type { KubeSchemas } from "./kube-schemas.ts";
import { selectableFields } from "./selectable-fields.ts";

const rolePrefix = "node-role.kubernetes.io/";

/** The kind. */
export function nodeKind(schemas: KubeSchemas): KindDefinition {
  return builtinKind(schemas, {
    names: ["nodes", "node", "Node"],
    definition: "core.v1.Node",
    shortNames: ["no"],
    columns: [
      worked("Status", statusText),
      worked("Roles", rolesText),
      age,
      text("Version", ".status.nodeInfo.kubeletVersion"),
      wide(worked("Internal-IP", (node) => addressOf(node, "InternalIP"))),
      wide(worked("External-IP", (node) => addressOf(node, "ExternalIP"))),
      wide(worked("OS-Image", (node) => infoOf(node, "osImage"))),
      wide(worked("Kernel-Version", kernelText)),
      wide(worked("Container-Runtime", (node) => infoOf(node, "containerRuntimeVersion"))),
    ],
    more: {
      namespaced: false,
      hasStatus: true,
      bringsStatus: true,
      fields: selectableFields([], {
        "spec.unschedulable": (node) => String(specOf(node)["unschedulable"] === true),
      }),
    },
  });
}

function statusText(node: WorkingObject): string {
  const ready = conditionOf(node, "Ready");
  const health = ready === undefined ? "Unknown" : ready["status"] === "True" ? "Ready" : "NotReady";
  return specOf(node)["unschedulable"] === true ? `${health},SchedulingDisabled` : health;
}

function rolesText(node: WorkingObject): string {
  const roles = Object.entries(node.metadata.labels ?? {}).flatMap(([name, value]) => {
    if (name.startsWith(rolePrefix)) return [name.slice(rolePrefix.length)];
    return name === "kubernetes.io/role" ? [value] : [];
  });
  const named = [...new Set(roles.filter((role) => role !== ""))];
  return named.sort().join(",") || "<none>";
}

function addressOf(node: WorkingObject, type: string): string {
  const addresses = arrayOr(statusOf(node)["addresses"]).map(objectOr);
  return textOr(addresses.find((address) => address["type"] === type)?.["address"]) || "<none>";
}

function infoOf(node: WorkingObject, field: string): string {
  return textOr(objectOr(statusOf(node)["nodeInfo"])[field]) || "<unknown>";
}

function kernelText(node: WorkingObject): string {
  const architecture = textOr(objectOr(statusOf(node)["nodeInfo"])["architecture"]);
  const kernel = infoOf(node, "kernelVersion");
  return architecture === "" ? kernel : `${kernel} (${architecture})`;
}
