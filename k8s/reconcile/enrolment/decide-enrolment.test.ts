import { expect, test } from "bun:test";
import type { PodObject } from "../../model/pod.ts";
import { decideEnrolment, type EnrolmentDecision, isSameDecision } from "./decide-enrolment.ts";

type Labels = Readonly<Record<string, string>>;

interface Case {
  readonly pod?: Labels;
  readonly namespace?: Labels;
  readonly annotations?: Labels;
  readonly phase?: "Running" | "Succeeded" | "Failed";
  readonly hostNetwork?: boolean;
  readonly in?: string;
}

const mode = "istio.io/dataplane-mode";
const ambient: Labels = { [mode]: "ambient" };
const none: Labels = { [mode]: "none" };
const taken: EnrolmentDecision = { kind: "in", capturesInbound: true, capturesDns: true };
const out = (reason: Extract<EnrolmentDecision, { kind: "out" }>["reason"]): EnrolmentDecision => ({
  kind: "out",
  reason,
});

function decide(given: Case): EnrolmentDecision {
  const {
    pod: labels = {},
    namespace: ofNamespace,
    annotations = {},
    phase = "Running",
    hostNetwork = false,
  } = given;
  const namespace = given.in ?? "shop";
  const metadata = {
    name: "web",
    namespace,
    uid: "u",
    resourceVersion: "1",
    creationTimestamp: "",
    labels,
    annotations,
  };
  const pod: PodObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata,
    spec: { containers: [], hostNetwork },
    status: { phase },
  };
  return decideEnrolment(pod, ofNamespace && { labels: ofNamespace }, {
    excludedNamespaces: new Set(["kube-system"]),
  });
}

const rows: readonly [string, Case, EnrolmentDecision][] = [
  ["nobody is labelled", {}, out("not-labelled")],
  ["the namespace is labelled", { namespace: ambient }, taken],
  ["the Pod is labelled", { pod: ambient, namespace: {} }, taken],
  ["the Pod is labelled and its namespace opted out", { pod: ambient, namespace: none }, taken],
  ["the Pod opts out of a labelled namespace", { pod: none, namespace: ambient }, out("opted-out")],
  ["the Pod's label has another value", { pod: { [mode]: "sidecar" }, namespace: ambient }, taken],
  ["the namespace's label has another value", { namespace: { [mode]: "Ambient" } }, out("not-labelled")],
  ["an excluded namespace is labelled", { in: "kube-system", namespace: ambient }, out("namespace-excluded")],
  [
    "a Pod of an excluded namespace is labelled",
    { in: "kube-system", pod: ambient },
    out("namespace-excluded"),
  ],
  ["it is on the host's network", { pod: ambient, hostNetwork: true }, out("host-network")],
  ["it has a sidecar", { pod: ambient, annotations: { "sidecar.istio.io/status": "{}" } }, out("sidecar")],
  [
    "it asks for a sidecar by label",
    { pod: { ...ambient, "sidecar.istio.io/inject": "true" } },
    out("sidecar"),
  ],
  [
    "it asks for a sidecar by annotation",
    { pod: ambient, annotations: { "sidecar.istio.io/inject": "true" } },
    out("sidecar"),
  ],
  [
    "its label refuses the sidecar that its annotation asks for",
    {
      pod: { ...ambient, "sidecar.istio.io/inject": "false" },
      annotations: { "sidecar.istio.io/inject": "true" },
    },
    taken,
  ],
  ["it succeeded", { pod: ambient, phase: "Succeeded" }, out("ended")],
  ["it failed", { pod: ambient, phase: "Failed" }, out("ended")],
  [
    "it is a function's instance",
    { pod: ambient, annotations: { "lambient.dev/instance": "cart-1" } },
    out("instance"),
  ],
  [
    "it takes its plaintext as it comes",
    { pod: ambient, annotations: { "ambient.istio.io/bypass-inbound-capture": "true" } },
    { ...taken, capturesInbound: false },
  ],
  [
    "it asks its nameserver itself",
    { pod: ambient, annotations: { "ambient.istio.io/dns-capture": "false" } },
    { ...taken, capturesDns: false },
  ],
  [
    "it says what is so anyway",
    {
      pod: ambient,
      annotations: {
        "ambient.istio.io/dns-capture": "true",
        "ambient.istio.io/bypass-inbound-capture": "false",
      },
    },
    taken,
  ],
];
test.each(rows)("decideEnrolment() when %s", (_, given, want) => {
  expect(decide(given)).toEqual(want);
});

test("isSameDecision() minds what is asked for, not why", () => {
  expect(isSameDecision(out("ended"), out("not-labelled"))).toBe(true);
  expect(isSameDecision(taken, { ...taken })).toBe(true);
  expect(isSameDecision(taken, { ...taken, capturesDns: false })).toBe(false);
  expect([isSameDecision(taken, out("ended")), isSameDecision(taken, undefined)]).toEqual([false, false]);
});
