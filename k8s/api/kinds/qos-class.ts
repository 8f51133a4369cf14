/** A Pod's class of service, which follows from what its containers ask for. */
import { arrayOr, type JsonObject, objectOr } from "../json.ts";

const measured = ["cpu", "memory"] as const;

/** `Guaranteed` when every container is limited to what it requests, `BestEffort` when none asks for anything. */
export function qosClassOf(spec: JsonObject): "Guaranteed" | "Burstable" | "BestEffort" {
  const containers = [...arrayOr(spec["containers"]), ...arrayOr(spec["initContainers"])].map((container) =>
    objectOr(objectOr(container)["resources"]),
  );
  const asks = containers.flatMap(({ requests, limits }) => [objectOr(requests), objectOr(limits)]);
  if (!asks.some((ask) => measured.some((name) => isSome(ask[name])))) return "BestEffort";
  const isGuaranteed = containers.every(({ requests, limits }) =>
    measured.every((name) => {
      const limit = objectOr(limits)[name];
      return isSome(limit) && (objectOr(requests)[name] ?? limit) === limit;
    }),
  );
  return isGuaranteed ? "Guaranteed" : "Burstable";
}

function isSome(quantity: unknown): boolean {
  return quantity !== undefined && quantity !== "0";
}
