/** Which processes belong to a session: a command with what it started in the background, unless that left on purpose. */
import { readdirSync, readFileSync } from "node:fs";

/** The live processes of a session by their numbers, its leader included. */
export function findSession(leader: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && sessionOf(name) === leader)
    .map(Number);
}

function sessionOf(pid: string): number | undefined {
  try {
    return parseSession(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    // It ended meanwhile.
    return undefined;
  }
}

/** The session in the text of a `/proc/<pid>/stat`, behind the name, which may hold anything; undefined for one that ended and waits to be reaped. */
export function parseSession(stat: string): number | undefined {
  const [state, , , session = ""] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return state === "Z" || !/^\d+$/.test(session) ? undefined : Number(session);
}
