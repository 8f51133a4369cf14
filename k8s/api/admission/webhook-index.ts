/** The webhooks that are configured now. Kept up with every commit; calls nobody. */
import type { Change } from "../change.ts";
import { type ObjectStore, parseRow } from "../object-store.ts";
import { type Webhook, webhooksOf } from "./webhook.ts";

/** The group of their configurations. */
export const admissionGroup = "admissionregistration.k8s.io";

const resources = {
  mutating: "mutatingwebhookconfigurations",
  validating: "validatingwebhookconfigurations",
} as const;
/** Configurations are few. */
const rowsMax = 1000;

/** Which of the two. */
export type WebhookKind = keyof typeof resources;

type ConfigurationChange = Pick<Change, "group" | "resource" | "name" | "type" | "text">;

/** Finds webhooks. */
export class WebhookIndex {
  readonly #configurations = {
    mutating: new Map<string, readonly Webhook[]>(),
    validating: new Map<string, readonly Webhook[]>(),
  };

  /** Takes in a committed change of any object. */
  observe(change: ConfigurationChange): void {
    if (change.group !== admissionGroup) return;
    for (const kind of ["mutating", "validating"] as const) {
      if (resources[kind] !== change.resource) continue;
      if (change.type === "DELETED") this.#configurations[kind].delete(change.name);
      else this.#configurations[kind].set(change.name, webhooksOf(parseRow(change)));
    }
  }

  /** Takes in what is stored already. */
  load(store: ObjectStore): void {
    for (const resource of Object.values(resources)) {
      const rows = store.page({ group: admissionGroup, resource }, { namespace: "", name: "" }, rowsMax);
      for (const row of rows) this.observe({ ...row, type: "ADDED" });
    }
  }

  /** Whether there is none at all. */
  get isEmpty(): boolean {
    return this.#configurations.mutating.size === 0 && this.#configurations.validating.size === 0;
  }

  /** The webhooks of a kind, by the names of their configurations and in the order there. */
  all(kind: WebhookKind): readonly Webhook[] {
    return [...this.#configurations[kind]]
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .flatMap(([, webhooks]) => webhooks);
  }
}
