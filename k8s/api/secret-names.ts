/** Which Secrets the Revisions of a namespace name: what a node may read. */
import { objectOr } from "./json.ts";
import { type ObjectStore, parseRow } from "./object-store.ts";

const revisions = { group: "lambient.dev", resource: "revisions" } as const;
const rowsAtOnce = 200;

/** Whether a Revision of the namespace names the Secret in its `spec.secrets`. */
export function isSecretNamed(store: ObjectStore, namespace: string, secret: string): boolean {
  let after = { namespace, name: "" };
  for (;;) {
    const rows = store.page({ ...revisions, namespace }, after, rowsAtOnce);
    for (const row of rows) {
      const references = Object.values(objectOr(objectOr(parseRow(row)["spec"])["secrets"]));
      if (references.some((reference) => objectOr(reference)["secret"] === secret)) return true;
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < rowsAtOnce) return false;
    after = { namespace, name: last.name };
  }
}
