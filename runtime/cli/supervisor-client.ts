/** Asks a running supervisor over its channel; says clearly when there is none. */
import { connectChannel } from "#host/channel-socket.ts";
import { MeshError, meshErrorCode } from "#host/mesh-error.ts";
import type { MeshPaths } from "./mesh-paths.ts";

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
  return new MeshError(
    "unavailable",
    `Cannot reach a mesh at ${paths.runDir}: none runs there; start it with "lambient up", or name its --run-dir`,
    cause,
  );
}
