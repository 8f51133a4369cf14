/** What the API decides of a Pod when it is made: its account, its tolerations, its class of service; and what it refuses. */
import { arrayOr, type JsonObject, objectOr, textOr } from "../json.ts";
import type { KindRules, RuleContext } from "../kind.ts";
import { forbidden } from "../refusal.ts";
import type { WorkingObject } from "../working-object.ts";
import { specOf } from "./columns.ts";
import { qosClassOf } from "./qos-class.ts";

/** On the Pod that stands for a function's instance: it runs already, and nothing is decided of it. */
const instanceAnnotation = "lambient.dev/instance";

/** How long a Pod stays on a node that is not there, unless it says. */
const tolerationSeconds = 300;

/** The rules of Pods. */
export const podRules: KindRules = {
  onCreate(pod, context) {
    const spec = specOf(pod);
    pod["status"] = { phase: "Pending", qosClass: qosClassOf(spec) };
    if (pod.metadata.annotations?.[instanceAnnotation] === undefined) {
      setAccount(pod, spec, context);
      setTolerations(spec);
    }
    spec["priority"] ??= 0;
    spec["preemptionPolicy"] ??= "PreemptLowerPriority";
    return [];
  },
  onUpdate(pod) {
    if (pod.metadata.annotations?.[instanceAnnotation] === undefined) setTolerations(specOf(pod));
    return [];
  },
  graceSeconds: graceSecondsOf,
  returnsDeleted: true,
};

/** A Pod that nobody runs, or that has ended, has nothing to end. */
function graceSecondsOf(pod: WorkingObject, asked: number | undefined): number {
  const spec = specOf(pod);
  const phase = textOr(objectOr(pod["status"])["phase"]);
  const isRun = textOr(spec["nodeName"]) !== "" && phase !== "Succeeded" && phase !== "Failed";
  if (!isRun || pod.metadata.annotations?.[instanceAnnotation] !== undefined) return 0;
  const own = spec["terminationGracePeriodSeconds"];
  const seconds = asked ?? (typeof own === "number" ? own : 30);
  return seconds < 0 ? 1 : seconds;
}

/** A Pod runs as the account `default` unless it names another, which must be there. */
function setAccount(pod: WorkingObject, spec: JsonObject, { tx }: RuleContext): void {
  const name = textOr(spec["serviceAccountName"]) || "default";
  spec["serviceAccountName"] = name;
  spec["serviceAccount"] = name;
  const { namespace = "" } = pod.metadata;
  // The account `default` is made right after its namespace: a Pod that comes in between need not fail.
  if (name === "default") return;
  if (tx.read({ group: "", resource: "serviceaccounts", namespace, name }) !== undefined) return;
  const why = `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`;
  throw forbidden({ group: "", resource: "pods" }, pod.metadata.name, why);
}

function setTolerations(spec: JsonObject): void {
  const tolerations = [...arrayOr(spec["tolerations"])];
  for (const key of ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]) {
    if (tolerations.some((toleration) => tolerates(objectOr(toleration), key))) continue;
    tolerations.push({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds });
  }
  spec["tolerations"] = tolerations;
}

function tolerates(toleration: JsonObject, key: string): boolean {
  const { key: own, effect } = toleration;
  return (own === key || (own ?? "") === "") && (effect === "NoExecute" || (effect ?? "") === "");
}
