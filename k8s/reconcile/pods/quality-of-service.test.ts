import { expect, test } from "bun:test";
import type { Container, ResourceRequirements } from "../../model/container.ts";
import type { QosClass } from "../../model/pod.ts";
import { qosClassOf } from "./quality-of-service.ts";

const both = { cpu: "1", memory: "64Mi" };

test.each<[string, ResourceRequirements[], QosClass]>([
  ["nothing is asked", [{}, {}], "BestEffort"],
  ["zero is asked", [{ requests: { cpu: "0" } }], "BestEffort"],
  ["only something else is asked", [{ limits: { "ephemeral-storage": "1Gi" } }], "BestEffort"],
  ["limits alone", [{ limits: both }], "Guaranteed"],
  ["limits and equal requests", [{ limits: both, requests: { cpu: "1000m", memory: "64Mi" } }], "Guaranteed"],
  ["lower requests", [{ limits: both, requests: { cpu: "500m" } }], "Burstable"],
  ["one limit missing", [{ limits: { cpu: "1" } }], "Burstable"],
  ["one container without", [{ limits: both }, {}], "Burstable"],
])("qosClassOf() when %s", (_name, resources, want) => {
  const containers = resources.map((one, i): Container => ({ name: `c${i}`, resources: one }));
  expect(qosClassOf({ containers })).toBe(want);
});
