/** Bundles from the API on `api.sock`: size-limited while they arrive. Their digest is bundles.ts's to check. */
import { readFile } from "node:fs/promises";
import { errorText, MeshError } from "#host/mesh-error.ts";
import type { BundleSource } from "./bundles.ts";

/** Longest transfer of one bundle. */
const timeoutMs = 30_000;

/** The bundles of the API below a run directory, asked for with this program's token. */
export function apiBundles(runDir: string): BundleSource {
  return {
    async get(digest, bytesMax) {
      const [token, ca] = await Promise.all([
        readFile(`${runDir}/tokens/node-runtime`, "utf8"),
        readFile(`${runDir}/ca.pem`, "utf8"),
      ]);
      const response = await ask(runDir, digest, { token: token.trim(), ca });
      if (response.ok && response.body !== null) return readBounded(response.body, digest, bytesMax);
      await response.body?.cancel();
      const code = response.status === 404 ? "not-found" : "unavailable";
      throw new MeshError(code, `Cannot get bundle ${digest}: the API answers ${response.status}`);
    },
  };
}

async function ask(
  runDir: string,
  digest: string,
  { token, ca }: { readonly token: string; readonly ca: string },
): Promise<Response> {
  try {
    return await fetch(`https://lambient.local/bundles/${digest}`, {
      unix: `${runDir}/api.sock`,
      tls: { ca },
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (error) {
    throw new MeshError("unavailable", `Cannot get bundle ${digest}: ${errorText(error)}`, error);
  }
}

async function readBounded(
  body: ReadableStream<Uint8Array>,
  digest: string,
  bytesMax: number,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const part of body) {
      bytes += part.length;
      if (bytes > bytesMax) {
        throw new MeshError("bad-input", `Cannot take bundle ${digest}: it is larger than ${bytesMax} bytes`);
      }
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof MeshError) throw error;
    throw new MeshError("unavailable", `Cannot get bundle ${digest} whole: ${errorText(error)}`, error);
  }
  return Buffer.concat(parts);
}
