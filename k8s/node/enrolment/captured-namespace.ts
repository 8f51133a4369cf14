/** Brings a Pod's network namespace to a stage of its capture, and tells what of it is not as it should be. Knows no ztunnel and no API. */
import type { Libc } from "#host/linux/libc.ts";
import { isErrno } from "#host/linux/errno.ts";
import { type Netlink, openNetlink } from "#host/linux/netlink.ts";
import { listRoutes, listRules } from "#host/linux/route-lists.ts";
import { addRoute, changeRules, deleteRoute, type Route, type Rule } from "#host/linux/routes.ts";
import { readSettings, writeSettings } from "#host/linux/sysctls.ts";
import {
  captureTable,
  captureSettings,
  type CaptureStage,
  capturesAll,
  ipv6Setting,
  isFlowRule,
  type NamespaceFacts,
  ownTable,
  type RoutedPod,
  routeKey,
  routingFor,
  ruleKey,
} from "./pod-routing.ts";

/** What was found otherwise than it should be. */
export type RoutingFault = "rules" | "routes" | "settings";

/** What has to change in a namespace so that it is at a stage. */
export interface RoutingChange {
  readonly rules: { readonly missing: readonly Rule[]; readonly surplus: readonly Rule[] };
  readonly routes: { readonly missing: readonly Route[]; readonly surplus: readonly Route[] };
  readonly settings: ReadonlyMap<string, string>;
  readonly faults: readonly RoutingFault[];
}

/** Makes a namespace what it is at a stage, whatever it was. @returns what had to be changed */
export function bringTo(
  libc: Libc,
  namespaceFd: number,
  stage: CaptureStage,
  pod: RoutedPod,
): readonly RoutingFault[] {
  const change = planChange(libc, namespaceFd, stage, pod);
  if (change.faults.length === 0) return change.faults;
  changeSettings(libc, namespaceFd, change);
  changeRouting(libc, namespaceFd, change);
  return change.faults;
}

/** Compares what is there with what a stage wants. */
export function planChange(
  libc: Libc,
  namespaceFd: number,
  stage: CaptureStage,
  pod: RoutedPod,
): RoutingChange {
  using netlink = openNetlink(libc, namespaceFd);
  const values = readSettings(libc, namespaceFd, settingNames);
  const facts = factsOf(values);
  const wanted = routingFor(stage, pod, facts);
  const present = [...listRules(netlink, 4), ...(facts.hasIpv6 ? listRules(netlink, 6) : [])];
  const presentRoutes = listRoutes(netlink, 4, captureTable, ownTable);
  // Rules of single connections come and go with them.
  const rules = compare(
    present.filter((rule) => !isFlowRule(rule)),
    wanted.rules,
    ruleKey,
  );
  const routes = compare(presentRoutes, wanted.routes, routeKey);
  const settings = new Map(
    [...wanted.settings].filter(([name, value]) => isDifferent(values.get(name), value)),
  );
  const counts: [RoutingFault, number][] = [
    ["rules", rules.missing.length + rules.surplus.length],
    ["routes", routes.missing.length + routes.surplus.length],
    ["settings", settings.size],
  ];
  const faults = counts.filter(([, count]) => count > 0).map(([fault]) => fault);
  return { rules, routes, settings, faults };
}

/** Makes a planned change of rules and routes: first what is missing, then what is too much, so that no packet is without a way that has one before and after. */
export function changeRouting(libc: Libc, namespaceFd: number, { rules, routes }: RoutingChange): void {
  using netlink = openNetlink(libc, namespaceFd);
  for (const route of routes.missing) addRoute(netlink, route);
  changeRules(netlink, { added: rules.missing, removed: rules.surplus });
  for (const route of routes.surplus) removeRoute(netlink, route);
}

/** One that was replaced by the one that was missing is gone already. */
function removeRoute(netlink: Netlink, route: Route): void {
  try {
    deleteRoute(netlink, route);
  } catch (error) {
    if (!isErrno(error, "ESRCH")) throw error;
  }
}

/** Makes a planned change of settings. */
export function changeSettings(libc: Libc, namespaceFd: number, { settings }: RoutingChange): void {
  if (settings.size > 0) writeSettings(libc, namespaceFd, settings);
}

/** How far a namespace was brought, by itself or by a program that ended in between. */
export function readStage(libc: Libc, namespaceFd: number): CaptureStage {
  using netlink = openNetlink(libc, namespaceFd);
  const rules = listRules(netlink, 4);
  if (rules.some(capturesAll)) return "capturing";
  const isTouched = rules.some(({ table }) => table === captureTable || table === ownTable);
  return isTouched || listRoutes(netlink, 4, captureTable).length > 0 ? "ready" : "plain";
}

/** Whether the Pod's link speaks IPv6 now. */
export function speaksIpv6(libc: Libc, namespaceFd: number): boolean {
  return readSettings(libc, namespaceFd, [ipv6Setting]).get(ipv6Setting) === "0";
}

const filterSetting = "ipv4/conf/default/rp_filter";
const settingNames: readonly string[] = [...captureSettings, filterSetting];

function factsOf(settings: ReadonlyMap<string, string | undefined>): NamespaceFacts {
  return {
    hasIpv6: settings.get(ipv6Setting) !== undefined,
    reversePathFilter: settings.get(filterSetting) ?? "0",
  };
}

/** A setting that this kernel does not have cannot be wrong. */
function isDifferent(present: string | undefined, wanted: string): boolean {
  return present !== undefined && present !== wanted;
}

function compare<Item>(
  present: readonly Item[],
  wanted: readonly Item[],
  keyOf: (item: Item) => string,
): { missing: Item[]; surplus: Item[] } {
  const there = new Set(present.map(keyOf));
  const wished = new Set(wanted.map(keyOf));
  return {
    missing: wanted.filter((item) => !there.has(keyOf(item))),
    surplus: present.filter((item) => !wished.has(keyOf(item))),
  };
}
