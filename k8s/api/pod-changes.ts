/** What of a Pod's spec may change while it is there: images, its deadline downwards, further tolerations; the rest makes another Pod. */
import { arrayOr, jsonEqual, type JsonObject, objectOr } from "./json.ts";
import { type FieldFault, forbiddenField, invalidValue } from "./refusal.ts";

const changeable =
  "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/** Faults of a change from one spec to the next. */
export function podChangeFaults(next: JsonObject, old: JsonObject): readonly FieldFault[] {
  if (jsonEqual(next, old)) return [];
  for (const field of ["containers", "initContainers"]) {
    if (arrayOr(next[field]).length === arrayOr(old[field]).length) continue;
    return [forbiddenField(`spec.${field}`, "pod updates may not add or remove containers")];
  }
  const faults = [...deadlineFaults(next, old), ...tolerationFaults(next, old)];
  if (faults.length > 0) return faults;
  const masked = masking(next, old);
  if (jsonEqual(masked, old)) return [];
  const names = [...new Set([...Object.keys(masked), ...Object.keys(old)])];
  const changed = names.filter((name) => !jsonEqual(masked[name], old[name]));
  return [forbiddenField("spec", `${changeable}\nchanged: ${changed.sort().join(", ")}\n`)];
}

function deadlineFaults(next: JsonObject, old: JsonObject): readonly FieldFault[] {
  const [seconds, before] = [next["activeDeadlineSeconds"], old["activeDeadlineSeconds"]];
  if (typeof before !== "number" || seconds === before) return [];
  const field = "spec.activeDeadlineSeconds";
  if (seconds === undefined) {
    return [invalidValue(field, null, "must not update from a positive integer to nil value")];
  }
  if (typeof seconds === "number" && seconds <= before) return [];
  return [invalidValue(field, seconds, "must be less than or equal to previous value")];
}

function tolerationFaults(next: JsonObject, old: JsonObject): readonly FieldFault[] {
  const kept = new Set(arrayOr(next["tolerations"]).map(tolerationText));
  if (arrayOr(old["tolerations"]).every((toleration) => kept.has(tolerationText(toleration)))) return [];
  const why = "existing toleration can not be modified except its tolerationSeconds";
  return [forbiddenField("spec.tolerations", why)];
}

function tolerationText(toleration: unknown): string {
  const { key = "", operator = "Equal", value = "", effect = "" } = objectOr(toleration);
  return JSON.stringify([key, operator, value, effect]);
}

/** The new spec with what may change as it was. */
function masking(next: JsonObject, old: JsonObject): JsonObject {
  const masked: JsonObject = { ...next };
  for (const field of ["activeDeadlineSeconds", "tolerations"]) restore(masked, old, field);
  const graceBefore = old["terminationGracePeriodSeconds"];
  const isMended =
    typeof graceBefore === "number" && graceBefore < 0 && next["terminationGracePeriodSeconds"] === 1;
  if (isMended) restore(masked, old, "terminationGracePeriodSeconds");
  for (const field of ["containers", "initContainers"]) {
    if (next[field] !== undefined) masked[field] = withImages(arrayOr(next[field]), arrayOr(old[field]));
  }
  return masked;
}

function restore(masked: JsonObject, old: JsonObject, field: string): void {
  if (old[field] === undefined) delete masked[field];
  else masked[field] = old[field];
}

function withImages(next: readonly unknown[], old: readonly unknown[]): readonly unknown[] {
  return next.map((container, index) => {
    const { image } = objectOr(old[index]);
    return { ...objectOr(container), image };
  });
}
