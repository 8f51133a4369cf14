/** `lambient delete`: removes a function, a namespace or another object, and waits until it is gone. */
import { systemClock } from "#host/clock.ts";
import { isNotFound } from "#host/kube/kube-error.ts";
import { MeshError } from "#host/mesh-error.ts";
import { find } from "./api/apply-object.ts";
import { type MeshApi, openMeshApi } from "./api/mesh-api.ts";
import { kindOfWord, objectPath } from "./api/kind-words.ts";
import type { Console } from "./console.ts";
import { type OutputFormat, printResult } from "./output.ts";

/** The command's flags. */
export interface DeleteOptions {
  readonly runDir: string;
  readonly namespace: string | undefined;
  readonly format: OutputFormat;
  /** How long it may take to be gone; 0 does not wait. */
  readonly timeoutMs: number;
}

const askEveryMs = 25;

/** Runs the command. @throws MeshError `not-found` naming what is there, `timeout` when it does not go */
export async function deleteObject(
  ...[console, word, name, options]: [Console, string, string, DeleteOptions]
): Promise<void> {
  const kind = kindOfWord(word, "delete");
  const api = openMeshApi(options.runDir);
  const path = await objectPath(api, kind, name, options.namespace);
  try {
    await api.json({ method: "DELETE", path });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new MeshError("not-found", `Cannot delete the ${word} "${name}": there is none`, error);
  }
  if (options.timeoutMs > 0) await awaitGone(api, path, options.timeoutMs);
  console.err(`Deleted the ${word} "${name}"\n`);
  const data = { apiVersion: kind.apiVersion, kind: kind.kind, path, gone: options.timeoutMs > 0 };
  printResult(console, options.format, data, () => "");
}

async function awaitGone(api: MeshApi, path: string, timeoutMs: number): Promise<void> {
  const deadline = systemClock.monotonicMs() + timeoutMs;
  while ((await find(api, path)) !== undefined) {
    if (systemClock.monotonicMs() > deadline) {
      throw new MeshError(
        "timeout",
        `Cannot see ${path} gone within ${timeoutMs} ms: a finalizer may hold it; look at its metadata`,
      );
    }
    await Bun.sleep(askEveryMs);
  }
}
