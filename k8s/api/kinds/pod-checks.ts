/** What a Pod's spec must keep to beyond its shape, for Pods and for the templates of what makes them. */
import { quantityValue } from "../../model/quantity.ts";
import { arrayOr, type JsonObject, objectOr, textOr } from "../json.ts";
import { duplicateValue, type FieldFault, forbiddenField, invalidValue, requiredValue } from "../refusal.ts";
import { dnsLabelRule, isDnsLabel } from "./dns-label.ts";

/** The faults of a Pod's spec. @param field Where it stands: `spec` or `spec.template.spec`. */
export function podSpecFaults(spec: JsonObject, field: string): readonly FieldFault[] {
  const volumes = arrayOr(spec["volumes"]).map(objectOr);
  const volumeNames = new Set(volumes.map((volume) => textOr(volume["name"])));
  const containers = arrayOr(spec["containers"]).map(objectOr);
  const before = arrayOr(spec["initContainers"]).map(objectOr);
  const missing = containers.length === 0 ? [requiredValue(`${field}.containers`)] : [];
  return [
    ...nameFaults(volumes, `${field}.volumes`),
    ...missing,
    ...nameFaults(containers, `${field}.containers`),
    ...nameFaults(before, `${field}.initContainers`, new Set(containers.map((each) => textOr(each["name"])))),
    ...containers.flatMap((each, i) => containerFaults(each, `${field}.containers[${i}]`, volumeNames)),
    ...before.flatMap((each, i) => containerFaults(each, `${field}.initContainers[${i}]`, volumeNames)),
  ];
}

function nameFaults(
  items: readonly JsonObject[],
  field: string,
  taken: ReadonlySet<string> = new Set(),
): readonly FieldFault[] {
  const seen = new Set(taken);
  return items.flatMap((item, index) => {
    const name = textOr(item["name"]);
    const at = `${field}[${index}].name`;
    if (name === "") return [requiredValue(at)];
    if (!isDnsLabel(name)) return [invalidValue(at, name, dnsLabelRule)];
    if (seen.has(name)) return [duplicateValue(at, name)];
    seen.add(name);
    return [];
  });
}

function containerFaults(
  container: JsonObject,
  field: string,
  volumes: ReadonlySet<string>,
): readonly FieldFault[] {
  return [
    ...(textOr(container["image"]) === "" ? [requiredValue(`${field}.image`)] : []),
    ...arrayOr(container["ports"]).flatMap((port, index) =>
      portFaults(objectOr(port)["containerPort"], `${field}.ports[${index}].containerPort`),
    ),
    ...mountFaults(arrayOr(container["volumeMounts"]).map(objectOr), field, volumes),
    ...resourceFaults(objectOr(container["resources"]), `${field}.resources`),
    ...["livenessProbe", "readinessProbe", "startupProbe"].flatMap((name) =>
      probeFaults(container[name], `${field}.${name}`),
    ),
  ];
}

function portFaults(port: unknown, field: string): readonly FieldFault[] {
  if (port === undefined || port === 0) return [requiredValue(field)];
  if (typeof port === "number" && port >= 1 && port <= 65_535) return [];
  return [invalidValue(field, port, "must be between 1 and 65535, inclusive")];
}

function probeFaults(probe: unknown, field: string): readonly FieldFault[] {
  if (probe === undefined) return [];
  const handlers = ["exec", "httpGet", "tcpSocket", "grpc"].filter(
    (name) => objectOr(probe)[name] !== undefined,
  );
  if (handlers.length === 0) return [requiredValue(field, "must specify a handler type")];
  return handlers
    .slice(1)
    .map((name) => forbiddenField(`${field}.${name}`, "may not specify more than 1 handler type"));
}

function mountFaults(
  mounts: readonly JsonObject[],
  field: string,
  volumes: ReadonlySet<string>,
): readonly FieldFault[] {
  const paths = new Set<string>();
  return mounts.flatMap((mount, index) => {
    const at = `${field}.volumeMounts[${index}]`;
    const faults: FieldFault[] = [];
    const name = textOr(mount["name"]);
    if (!volumes.has(name)) {
      const message = `Not found: ${JSON.stringify(name)}`;
      faults.push({ reason: "FieldValueNotFound", field: `${at}.name`, message });
    }
    const path = textOr(mount["mountPath"]);
    if (paths.has(path)) faults.push(invalidValue(`${at}.mountPath`, path, "must be unique"));
    paths.add(path);
    return faults;
  });
}

function resourceFaults(resources: JsonObject, field: string): readonly FieldFault[] {
  const limits = objectOr(resources["limits"]);
  return Object.entries(objectOr(resources["requests"])).flatMap(([name, requested]) => {
    const limit = textOr(limits[name]);
    const [most, wanted] = [quantityValue(limit), quantityValue(textOr(requested))];
    if (!most.ok || !wanted.ok || wanted.value <= most.value) return [];
    const why = `must be less than or equal to ${name} limit of ${limit}`;
    return [invalidValue(`${field}.requests`, requested, why)];
  });
}
