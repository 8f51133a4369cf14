/** What a Service keeps to: its ports, its type, its ClusterIP from the range. */
import { type AddressRefusal, type ClusterAddresses, isRefusal } from "./cluster-address.ts";
import { arrayOr, type JsonObject, objectOr, textOr, textsOf } from "../json.ts";
import type { KindRules } from "../kind.ts";
import type { Transaction } from "../object-store.ts";
import {
  duplicateValue,
  type FieldFault,
  forbiddenField,
  invalidValue,
  requiredValue,
  unsupportedValue,
} from "../refusal.ts";
import type { WorkingObject } from "../working-object.ts";
import { dnsLabelRule, isDnsLabel } from "./dns-label.ts";

/** Types that something here acts upon: a LoadBalancer nobody balances would wait for ever. */
const types = ["ClusterIP", "ExternalName"];

/** The rules of Services. */
export function serviceRules(addresses: ClusterAddresses): KindRules {
  return {
    returnsDeleted: true,
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
    if (name !== "") faults.push(...nameFaults(name, `${field}.name`, names));
    names.add(name);
    faults.push(...onePortFaults(port, field));
    const number = `${textOr(port["protocol"])} ${String(port["port"])}`;
    if (numbers.has(number)) faults.push(samePort(field, port));
    numbers.add(number);
  }
  return faults;
}

/** Faults of a port by itself; what it leaves out is filled in. */
function onePortFaults(port: JsonObject, field: string): readonly FieldFault[] {
  const faults = [
    ...numberFaults(`${field}.port`, port["port"]),
    ...targetFaults(`${field}.targetPort`, port["targetPort"]),
  ];
  if ((port["nodePort"] ?? 0) === 0) return faults;
  return [...faults, forbiddenField(`${field}.nodePort`, "may not be used when `type` is 'ClusterIP'")];
}

function numberFaults(field: string, port: unknown): readonly FieldFault[] {
  if (typeof port === "number" && port >= 1 && port <= 65_535) return [];
  return [invalidValue(field, port, "must be between 1 and 65535, inclusive")];
}

function targetFaults(field: string, target: unknown): readonly FieldFault[] {
  if (typeof target === "number") return numberFaults(field, target);
  const name = textOr(target);
  const broken = portNameRules.filter(([keeps]) => !keeps(name));
  return broken.map(([, why]) => invalidValue(field, name, why));
}

/** What the name of a container's port keeps to (RFC 6335), in the server's words. */
const portNameRules: readonly (readonly [keeps: (name: string) => boolean, why: string])[] = [
  [(name) => name.length <= 15, "must be no more than 15 characters"],
  [
    (name) => /^[-a-z0-9]*$/.test(name),
    "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
  ],
  [(name) => /[a-z]/.test(name), "must contain at least one letter (a-z)"],
  [(name) => !name.includes("--"), "must not contain consecutive hyphens"],
  [(name) => !name.startsWith("-") && !name.endsWith("-"), "must not begin or end with a hyphen"],
];

function nameFaults(name: string, field: string, taken: ReadonlySet<string>): readonly FieldFault[] {
  if (!isDnsLabel(name)) return [invalidValue(field, name, dnsLabelRule)];
  return taken.has(name) ? [duplicateValue(field, name)] : [];
}

/** The server shows what makes two ports the same, in the fields of its own type. */
function samePort(field: string, port: JsonObject): FieldFault {
  const shown = { Name: "", Protocol: port["protocol"], AppProtocol: null, Port: port["port"] };
  return duplicateValue(field, { ...shown, TargetPort: 0, NodePort: 0 });
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
    return [invalidValue("spec.clusterIPs[0]", [wanted], "may not change once set")];
  }
  setFamilies(spec);
  setAddress(spec, before);
  return [];
}

function setFamilies(spec: JsonObject): void {
  // Whose endpoints nobody selects may have any address; the server says so though it has one family only.
  const isOpen = spec["clusterIP"] === "None" && spec["selector"] === undefined;
  spec["ipFamilies"] ??= isOpen ? ["IPv4", "IPv6"] : ["IPv4"];
  spec["ipFamilyPolicy"] ??= isOpen ? "RequireDualStack" : "SingleStack";
}

function setAddress(spec: JsonObject, address: string): void {
  spec["clusterIP"] = address;
  spec["clusterIPs"] = [address];
}

function refusalFault(refusal: AddressRefusal, wanted: string, range: string): FieldFault {
  const field = "spec.clusterIPs";
  switch (refusal) {
    case "not-an-address":
      return invalidValue(
        `${field}[0]`,
        wanted,
        "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
      );
    case "out-of-range":
      return invalidValue(
        field,
        [wanted],
        `failed to allocate IP ${wanted}: the provided network does not match the current range`,
      );
    case "taken":
      return invalidValue(
        field,
        [wanted],
        `failed to allocate IP ${wanted}: provided IP is already allocated`,
      );
    case "range-full":
      return invalidValue(field, [], `failed to allocate an IP: the range ${range} is full`);
  }
}
