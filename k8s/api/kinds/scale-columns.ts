/** What `kubectl get --subresource=scale` shows. */
import type { TableTarget } from "../table.ts";
import { age, count, numberOr0, specOf, statusOf } from "./columns.ts";

/** Wished for, there, age. */
export const scaleTable: TableTarget = {
  kind: {
    isCustom: false,
    versions: [
      {
        name: "v1",
        columns: [
          count("Desired", (scale) => numberOr0(specOf(scale)["replicas"])),
          count("Available", (scale) => numberOr0(statusOf(scale)["replicas"])),
          age,
        ],
      },
    ],
  },
  version: "v1",
};
