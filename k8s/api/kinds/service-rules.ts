/** What a Service keeps to: its ports, its type, its ClusterIP from the range. */
import { type AddressRefusal, type ClusterAddresses, isRefusal } from "./cluster-address.ts";
import { arrayOr, type JsonObject, objectOr, textOr, textsOf } from "../json.ts";
import type { KindRules } from "../kind.ts";
import type { Transaction } from "../object-store.ts";
import {
  type FieldFault,
  forbiddenField,
  invalidValue,
  requiredValue,
  unsupportedValue,
} from "../refusal.ts";
import type { WorkingObject } from "../working-object.ts";

/** Types that something here acts upon: a LoadBalancer nobody balances would wait for ever. */
const types = ["ClusterIP", "ExternalName"];

/** The rules of Services. */
export function serviceRules(addresses: ClusterAddresses): KindRules {
  return {
    onCreate(service, { tx }) {
      const spec = specOf(service);
      service["status"] = { loadBalancer: {} };
      const faults = [...typeFaults(spec), ...portFaults(spec)];
      return faults.length > 0 ? faults : allocate(addresses, tx, service);
    },
    onUpdate(service, old, { tx }) {
      const spec = specOf(service);
      const faults = [...typeFaults(spec), ...portFaults(spec)];
      return faults.length > 0 ? faults : reallocate(addresses, tx, { service, old });
    },
  };
}

function specOf(service: WorkingObject): JsonObject {
  const spec = objectOr(service["spec"]);
  service["spec"] = spec;
  return spec;
}

function typeFaults(spec: JsonObject): readonly FieldFault[] {
  const type = textOr(spec["type"]);
  if (!types.includes(type)) return [unsupportedValue("spec.type", type, types)];
  if (type === "ExternalName" && textOr(spec["externalName"]) === "") {
    return [requiredValue("spec.externalName")];
  }
  return [];
}

function portFaults(spec: JsonObject): readonly FieldFault[] {
  const ports = arrayOr(spec["ports"]).map(objectOr);
  if (ports.length === 0 && spec["type"] === "ClusterIP" && spec["clusterIP"] !== "None") {
    return [requiredValue("spec.ports")];
  }
  const faults: FieldFault[] = [];
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const field = `spec.ports[${index}]`;
    const name = textOr(port["name"]);
    if (name === "" && ports.length > 1) faults.push(requiredValue(`${field}.name`));
    if (name !== "" && names.has(name)) faults.push(duplicate(`${field}.name`, name));
    names.add(name);
    faults.push(...onePortFaults(port, field));
    const number = `${textOr(port["protocol"])} ${String(port["port"])}`;
    if (numbers.has(number)) faults.push(duplicate(field, number));
    numbers.add(number);
  }
  return faults;
}

/** Faults of a port by itself; what it leaves out is filled in. */
function onePortFaults(port: JsonObject, field: string): readonly FieldFault[] {
  port["protocol"] ??= "TCP";
  port["targetPort"] ??= port["port"];
  const faults = targetFaults(`${field}.targetPort`, port["targetPort"]);
  if ((port["nodePort"] ?? 0) === 0) return faults;
  return [...faults, forbiddenField(`${field}.nodePort`, "may not be used when `type` is 'ClusterIP'")];
}

function targetFaults(field: string, target: unknown): readonly FieldFault[] {
  if (typeof target === "number") {
    return target >= 1 && target <= 65_535
      ? []
      : [invalidValue(field, target, "must be between 1 and 65535, inclusive")];
  }
  return /^(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$/.test(textOr(target))
    ? []
    : [invalidValue(field, target, "must be a port number or the name of one")];
}

function duplicate(field: string, value: string): FieldFault {
  return { reason: "FieldValueDuplicate", field, message: `Duplicate value: ${JSON.stringify(value)}` };
}

function allocate(
  addresses: ClusterAddresses,
  tx: Transaction,
  service: WorkingObject,
): readonly FieldFault[] {
  const spec = specOf(service);
  if (spec["type"] === "ExternalName") {
    delete spec["clusterIP"];
    delete spec["clusterIPs"];
    return [];
  }
  const wanted = textOr(spec["clusterIP"]) || (textsOf(spec["clusterIPs"])[0] ?? "");
  setFamilies(spec);
  if (wanted === "None") {
    setAddress(spec, "None");
    return [];
  }
  const holder = service.metadata.uid;
  const got = wanted === "" ? addresses.take(tx, holder) : addresses.takeExactly(tx, holder, wanted);
  if (isRefusal(got)) return [refusalFault(got, wanted, addresses.range)];
  setAddress(spec, got);
  return [];
}

function reallocate(
  addresses: ClusterAddresses,
  tx: Transaction,
  change: { readonly service: WorkingObject; readonly old: WorkingObject },
): readonly FieldFault[] {
  const spec = specOf(change.service);
  const oldSpec = objectOr(change.old["spec"]);
  const before = textOr(oldSpec["clusterIP"]);
  if (spec["type"] === "ExternalName" || before === "") {
    addresses.release(tx, change.service.metadata.uid);
    return allocate(addresses, tx, change.service);
  }
  const wanted = textOr(spec["clusterIP"]) || (textsOf(spec["clusterIPs"])[0] ?? "");
  if (wanted !== "" && wanted !== before) {
    return [invalidValue("spec.clusterIPs[0]", wanted, "may not change once set")];
  }
  setFamilies(spec);
  setAddress(spec, before);
  return [];
}

function setFamilies(spec: JsonObject): void {
  spec["internalTrafficPolicy"] ??= "Cluster";
  spec["ipFamilies"] ??= ["IPv4"];
  spec["ipFamilyPolicy"] ??= "SingleStack";
}

function setAddress(spec: JsonObject, address: string): void {
  spec["clusterIP"] = address;
  spec["clusterIPs"] = [address];
}

function refusalFault(refusal: AddressRefusal, wanted: string, range: string): FieldFault {
  const field = "spec.clusterIPs";
  switch (refusal) {
    case "not-an-address":
      return invalidValue(field, wanted, "must be empty, 'None', or a valid IP address");
    case "out-of-range":
      return invalidValue(
        field,
        wanted,
        `failed to allocate IP ${wanted}: the provided IP is not in the valid range. The range of valid IPs is ${range}`,
      );
    case "taken":
      return invalidValue(field, wanted, `failed to allocate IP ${wanted}: provided IP is already allocated`);
    case "range-full":
      return invalidValue(field, wanted, `failed to allocate an IP: the range ${range} is full`);
  }
}
