/** Which destinations outside the mesh a function may reach: anything, or listed hosts and ranges; the mesh's own ranges are refused elsewhere. */
import { type Cidr, cidrContains, type IpAddress, parseCidr } from "#core/address/ip.ts";
import { err, ok, type Result } from "#core/result.ts";

/** One entry of a list; without a port it holds for all. */
export type EgressRule =
  | { readonly kind: "host"; readonly hostname: string; readonly port: number | undefined }
  /** Any name below the suffix, which begins with a dot. */
  | { readonly kind: "below"; readonly suffix: string; readonly port: number | undefined }
  | { readonly kind: "range"; readonly cidr: Cidr; readonly port: number | undefined };

/** What a function may reach. */
export type EgressRules =
  | { readonly kind: "any" }
  | { readonly kind: "list"; readonly rules: readonly EgressRule[] };

/** Rules that allow everything. */
export const allowAnyEgress: EgressRules = { kind: "any" };

const hostForm = /^(\*\.)?((?:[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)$/;

/** Parses a list's entries: `host`, `*.host`, a range or an address, each with an optional `:port` (IPv6 then in brackets). */
export function parseEgressRules(entries: readonly string[]): Result<EgressRules> {
  const rules: EgressRule[] = [];
  for (const entry of entries) {
    const rule = parseEntry(entry);
    if (rule === undefined) {
      return err(
        `Cannot read an egress entry as host, *.host or range, with an optional :port: "${entry.slice(0, 128)}"`,
      );
    }
    rules.push(rule);
  }
  return ok({ kind: "list", rules });
}

/** Whether names below these rules may be looked up: a name that can be reached, on whatever port. */
export function allowsName(rules: EgressRules, hostname: string): boolean {
  return rules.kind === "any" || rules.rules.some((rule) => holdsForName(rule, hostname));
}

/** What the function's own name server answered: the names that led to an address. */
export type NamesOf = (ip: IpAddress) => Iterable<string>;

/** Whether a destination outside the mesh may be reached; names hold for the addresses that were answered for them. */
export function allowsDestination(
  rules: EgressRules,
  destination: { readonly ip: IpAddress; readonly port: number },
  namesOf: NamesOf,
): boolean {
  if (rules.kind === "any") return true;
  const names = [...namesOf(destination.ip)];
  return rules.rules.some((rule) => {
    if (rule.port !== undefined && rule.port !== destination.port) return false;
    if (rule.kind === "range") return cidrContains(rule.cidr, destination.ip);
    return names.some((name) => holdsForName(rule, name));
  });
}

function holdsForName(rule: EgressRule, hostname: string): boolean {
  if (rule.kind === "host") return rule.hostname === hostname;
  return rule.kind === "below" && hostname.endsWith(rule.suffix) && hostname.length > rule.suffix.length;
}

function parseEntry(entry: string): EgressRule | undefined {
  const text = entry.toLowerCase();
  const whole = text.length <= 300 ? parseTarget(text) : undefined;
  if (whole !== undefined) return { ...whole, port: undefined };
  const [, base = "", digits = ""] = /^(.{1,255}):([1-9]\d{0,4})$/.exec(text) ?? [];
  const port = Number(digits);
  const target = parseTarget(base.replace(/^\[(.*)\]$/, "$1"));
  return target === undefined || port > 65535 ? undefined : { ...target, port };
}

type Target =
  | { readonly kind: "host"; readonly hostname: string }
  | { readonly kind: "below"; readonly suffix: string }
  | { readonly kind: "range"; readonly cidr: Cidr };

function parseTarget(text: string): Target | undefined {
  const cidr = parseRange(text);
  if (cidr !== undefined) return { kind: "range", cidr };
  const [, star, name = ""] = text.length <= 255 ? (hostForm.exec(text) ?? []) : [];
  // A name of digits and dots alone would be an address that failed to parse.
  if (name === "" || /^[\d.]+$/.test(name)) return undefined;
  return star === undefined ? { kind: "host", hostname: name } : { kind: "below", suffix: `.${name}` };
}

function parseRange(text: string): Cidr | undefined {
  const cidr = parseCidr(text);
  return cidr.ok ? cidr.value : undefined;
}
