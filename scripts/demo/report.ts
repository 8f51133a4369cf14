/** Prints the demo's evidence as tables for people. */
import { formatTable } from "../../runtime/cli/output.ts";
import type { Check, Evidence, Latencies } from "./evidence.ts";

/** The whole report. */
export function formatReport(found: Evidence, checks: readonly Check[]): string {
  return [
    section("Calls of web through the edge", calls(found)),
    section("Identities at each hop (both ends of each tunnel's mutual TLS)", identities(found)),
    section("Latencies", latencyTable(found)),
    section(
      "The stranger",
      `snoop.other asked price.shop and was answered ${found.refusal.status}: ${found.refusal.body.trim()}\n`,
    ),
    section(`One call's chain, trace ${found.traceId}`, chain(found)),
    section("The schedule", `${found.reports.slice(-2).join("\n")}\n`),
    section("Two plain Pods, labelled while they talk", pods(found)),
    section("What had to hold", checkTable(checks)),
  ].join("\n");
}

function section(title: string, text: string): string {
  return `── ${title}\n${text}`;
}

function calls({ statuses, split }: Evidence): string {
  const total = Object.values(split).reduce((sum, count) => sum + count, 0);
  const share = (count: number): string => `${((100 * count) / Math.max(1, total)).toFixed(1)} %`;
  return formatTable({
    head: ["", "CALLS", "SHARE"],
    rows: [
      ...Object.entries(statuses).map(([status, count]) => [`status ${status}`, String(count), ""]),
      ...Object.entries(split)
        .toSorted(([a], [b]) => a.localeCompare(b))
        .map(([revision, count]) => [`price ${revision}`, String(count), share(count)]),
    ],
  });
}

function identities(found: Evidence): string {
  return formatTable({
    head: ["CALLER", "CALLEE", "SEEN BY"],
    rows: found.identities.map(({ from, to, seenBy }) => [shortIdentity(from), shortIdentity(to), seenBy]),
  });
}

function latencyTable({ firstCallMs, warm, cold, coldRungs }: Evidence): string {
  const rungs = Object.entries(coldRungs).map(([rung, count]) => `${count} ${rung}`);
  return formatTable({
    head: ["", "CALLS", "P50", "P99"],
    rows: [
      ["first call, all three functions cold", "1", `${firstCallMs.toFixed(2)} ms`, ""],
      latencyRow("warm: edge → web → cart → price", warm),
      latencyRow(`cold: edge → hello (${rungs.join(", ")})`, cold),
    ],
  });
}

function latencyRow(name: string, { count, p50, p99 }: Latencies): string[] {
  return [
    name,
    String(count),
    `${p50.toFixed(2)} ms`,
    p99 === undefined ? "- (fewer than 100)" : `${p99.toFixed(2)} ms`,
  ];
}

function shortIdentity(identity: string): string {
  return identity.replace("spiffe://cluster.local/", "");
}

function chain({ hops }: Evidence): string {
  return formatTable({
    head: ["HOP", "AT", "TIME", ""],
    rows: hops.map((hop) => [
      `${"  ".repeat(hop.depth)}${hop.isDerived ? "  ~ tunnel " : `${hop.service} `}${hop.label}`,
      `+${hop.startMs.toFixed(2)} ms`,
      `${hop.isDerived ? "≤ " : ""}${hop.durationMs.toFixed(2)} ms`,
      hop.isDerived ? "derived" : "",
    ]),
  });
}

function pods({ pods: { labelledBy, ...told } }: Evidence): string {
  return formatTable({
    head: ["", ""],
    rows: [
      [`${labelledBy} label namespace plain istio.io/dataplane-mode=ambient`, ""],
      ["from the label's write to the first mutual TLS", `${told.enrolMs.toFixed(1)} ms`],
      ["packets with the Pods' words, before", String(told.wordBefore)],
      ["packets with the Pods' words, after", String(told.wordAfter)],
      ["the server's certificate", shortIdentity(told.serverSvid.replace(/^URI:/, ""))],
      ["calls that failed", `${told.failedCalls} of ${told.calls}`],
    ],
  }).trimStart();
}

function checkTable(checks: readonly Check[]): string {
  return formatTable({
    head: ["", "CHECK", "GOT"],
    rows: checks.map(({ name, holds, got }) => [holds ? "✓" : "✗", name, got]),
  });
}
