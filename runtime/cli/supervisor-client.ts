/** Asks a running supervisor over its channel; says clearly when there is none. */
import { connectChannel } from "#host/channel-socket.ts";
import { openLibc } from "#host/linux/libc.ts";
import { MeshError, meshErrorCode } from "#host/mesh-error.ts";
import type { MeshPaths } from "./mesh-paths.ts";
import { hasOrphans } from "./supervisor/orphans.ts";

const answerMs = 5000;

/**
 * One question.
 * @throws MeshError `unavailable` when no supervisor serves the run folder
 */
export async function askSupervisor<Answer>(paths: MeshPaths, method: "status" | "stop"): Promise<Answer> {
  const closed = Promise.withResolvers<void>();
  const handlers = { onRequest: () => null, onNotify() {}, onClose: () => closed.resolve() };
  let channel;
  try {
    channel = await connectChannel(paths.supervisorSocket, handlers);
  } catch (error) {
    throw notRunning(paths, error);
  }
  try {
    // Sound: both ends are of this package and version.
    return (await channel.request(method, {}, answerMs)) as Answer;
  } catch (error) {
    throw meshErrorCode(error) === "unavailable" ? notRunning(paths, error) : error;
  } finally {
    channel.close();
  }
}

function notRunning(paths: MeshPaths, cause: unknown): MeshError {
  const text = areOrphansThere(paths)
    ? `Cannot reach the supervisor of the mesh at ${paths.runDir}: it was killed, and its programs serve on; "lambient up" takes their place, "lambient down" ends them`
    : `Cannot reach a mesh at ${paths.runDir}: none runs there; start it with "lambient up", or name its --run-dir`;
  return new MeshError("unavailable", text, cause);
}

function areOrphansThere(paths: MeshPaths): boolean {
  try {
    return hasOrphans(openLibc(), paths);
  } catch {
    return false; // on another system, or without rights, there is nothing to find
  }
}
