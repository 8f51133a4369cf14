/** What the API fills in for new objects of the kinds that make Pods. */
import { jsonEqual, type JsonObject, objectOr } from "../json.ts";
import type { KindRules } from "../kind.ts";
import type { WorkingObject } from "../working-object.ts";
import { specOf } from "./columns.ts";

/** The rules of a kind whose status begins with what is known of a new object. */
export function beginsWith(status: JsonObject): KindRules {
  return {
    onCreate(object) {
      object["status"] = structuredClone(status);
      return [];
    },
  };
}

/** On a DaemonSet: counts its templates, for clients from before there were generations. */
const templateGeneration = "deprecated.daemonset.template.generation";

/** The rules of DaemonSets. @param status What is known of a new one. */
export function daemonSetRules(status: JsonObject): KindRules {
  return {
    onCreate(daemonSet) {
      daemonSet["status"] = structuredClone(status);
      setTemplateGeneration(daemonSet, 1);
      return [];
    },
    onUpdate(daemonSet, old) {
      const before = Number(old.metadata.annotations?.[templateGeneration] ?? 1);
      const isSame = jsonEqual(specOf(daemonSet)["template"], specOf(old)["template"]);
      setTemplateGeneration(daemonSet, isSame ? before : before + 1);
      return [];
    },
  };
}

function setTemplateGeneration(daemonSet: WorkingObject, count: number): void {
  const { annotations } = daemonSet.metadata;
  daemonSet.metadata.annotations = { ...annotations, [templateGeneration]: String(count) };
}

/** The rules of Jobs: their selector is made for them, unless they ask to choose it. */
export const jobRules: KindRules = {
  onCreate(job) {
    job["status"] = {};
    const spec = specOf(job);
    if (spec["manualSelector"] !== true) selectByUid(job, spec);
    return [];
  },
  propagation: "Orphan",
};

const uidLabel = "batch.kubernetes.io/controller-uid";

function selectByUid(job: WorkingObject, spec: JsonObject): void {
  const { uid, name } = job.metadata;
  const template = objectOr(spec["template"]);
  const metadata = objectOr(template["metadata"]);
  const labels = { ...objectOr(metadata["labels"]) } as Record<string, string>;
  // The names without a prefix are the older ones, which clients still select by.
  for (const prefix of ["", "batch.kubernetes.io/"]) {
    labels[`${prefix}controller-uid`] = uid;
    labels[`${prefix}job-name`] = name;
  }
  // A Job without labels of its own has its template's.
  const own = objectOr(job.metadata.labels);
  const isTemplates = Object.keys(own).length === 0 || jsonEqual(own, objectOr(metadata["labels"]));
  if (isTemplates) job.metadata.labels = { ...labels };
  spec["template"] = { ...template, metadata: { ...metadata, labels } };
  const selector = objectOr(spec["selector"]);
  spec["selector"] = { ...selector, matchLabels: { ...objectOr(selector["matchLabels"]), [uidLabel]: uid } };
}
