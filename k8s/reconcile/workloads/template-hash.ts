/** Short names for templates: the same template has the same one, as far as 32 bits tell. */
import { canonicalJson } from "#core/release/canonical-json.ts";

/** No vowels and no digits that look like letters, so that no word comes out. */
const letters = "bcdfghjklmnpqrstvwxz2456789";

/** FNV-1a of the value's canonical text and how often that name was taken already, in letters that any name may have. */
export function templateHash(template: unknown, collisions = 0): string {
  const text = `${canonicalJson(template)}${collisions === 0 ? "" : `#${collisions}`}`;
  let hash = 0x81_1c_9d_c5;
  for (let i = 0; i < text.length; i++) {
    hash ^= text.charCodeAt(i);
    hash = Math.imul(hash, 0x01_00_01_93) >>> 0;
  }
  return String(hash).replaceAll(/\d/g, (digit) => letters[Number(digit)] ?? "");
}
