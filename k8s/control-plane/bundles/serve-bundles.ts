/** `PUT` and `GET /bundles/<digest>` over the store. */
import { errorText, MeshError, meshErrorCode } from "#host/mesh-error.ts";
import { refusal } from "../http/refusal.ts";
import type { BundleStore } from "./bundle-store.ts";

/** Answers a request for the digest in its path. */
export async function serveBundle(store: BundleStore, request: Request, digest: string): Promise<Response> {
  try {
    switch (request.method) {
      case "GET":
      case "HEAD":
        return download(store, digest);
      case "PUT":
        return await takeUpload(store, request, digest);
      default:
        return refusal(
          405,
          "MethodNotAllowed",
          `Cannot ${request.method} a bundle: only GET and PUT are served`,
        );
    }
  } catch (error) {
    return refuseUpload(error);
  }
}

function download(store: BundleStore, digest: string): Response {
  const file = store.find(digest);
  if (file === undefined) return refusal(404, "NotFound", `Cannot find bundle ${digest}; upload it first`);
  return new Response(file, { headers: { "content-type": "application/octet-stream" } });
}

async function takeUpload(store: BundleStore, request: Request, digest: string): Promise<Response> {
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > store.bytesMax)
    throw new MeshError(
      "limit-reached",
      `Cannot take bundle ${digest} of ${announced} bytes: at most ${store.bytesMax}`,
    );
  const outcome = await store.put(digest, request.body ?? empty());
  return Response.json({ digest, outcome }, { status: outcome === "created" ? 201 : 200 });
}

async function* empty(): AsyncGenerator<Uint8Array> {}

function refuseUpload(error: unknown): Response {
  const code = meshErrorCode(error);
  if (code === "bad-input") return refusal(400, "BadRequest", errorText(error));
  if (code === "limit-reached") return refusal(413, "RequestEntityTooLarge", errorText(error));
  return refusal(507, "InsufficientStorage", errorText(error));
}
