/** The names in a folder that may not exist. */
import { readdirSync } from "node:fs";

/** Names in a folder; none when it does not exist. */
export function listFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // not there yet
  }
}
