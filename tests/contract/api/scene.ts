/** A namespace of its own on the API under test, with the paths and media types that the suites share. */
import { type Answer, type ApiUnderTest, type Json, openApiUnderTest, textOf } from "./api-under-test.ts";

/** Media types of patches. */
export const patchTypes = {
  merge: { "content-type": "application/merge-patch+json" },
  json: { "content-type": "application/json-patch+json" },
  strategic: { "content-type": "application/strategic-merge-patch+json" },
  apply: { "content-type": "application/apply-patch+yaml" },
} as const;

/** An API and a namespace on it. */
export interface Scene extends AsyncDisposable {
  readonly api: ApiUnderTest;
  readonly namespace: string;
  /** Path of a collection in the namespace: of the core group, or of `group/version`. */
  path(resource: string, groupVersion?: string): string;
  /** A name nobody has. */
  fresh(): string;
}

/** Makes a namespace on an API, by default on the one under test. */
export async function openScene(name: string, api: ApiUnderTest = openApiUnderTest()): Promise<Scene> {
  const namespace = `${name}-${crypto.randomUUID().slice(0, 8)}`;
  const made = await api.ask("POST", "/api/v1/namespaces", { metadata: { name: namespace } });
  if (made.status !== 201) throw new Error(`Cannot make a namespace: ${JSON.stringify(made.body)}`);
  let serial = 0;
  return {
    api,
    namespace,
    path: (resource, groupVersion) =>
      `/${groupVersion === undefined ? "api/v1" : `apis/${groupVersion}`}/namespaces/${namespace}/${resource}`,
    fresh: () => `x${++serial}`,
    async [Symbol.asyncDispose]() {
      await api.ask("DELETE", `/api/v1/namespaces/${namespace}`);
      await api[Symbol.asyncDispose]();
    },
  };
}

/** Asks until the answer is what is waited for: a real server's controllers take their time on a busy machine. */
export async function until<Value>(look: () => Promise<Value | undefined>): Promise<Value> {
  const deadlineMs = Date.now() + 55_000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadlineMs) throw new Error("what the test waits for did not come");
    await Bun.sleep(5);
  }
}

/** What of a refusal does not depend on the server. */
export function refusal(answer: Answer): readonly [status: number, reason: string, message: string] {
  return [answer.status, textOf(answer.body["reason"] ?? ""), textOf(answer.body["message"] ?? "")];
}

/** The owners in an object, shortly: manager, operation, subresource, fields. */
export function owners(body: Json): readonly (readonly [string, string, string, unknown])[] {
  const entries: unknown = body["metadata"]?.["managedFields"] ?? [];
  return (entries as readonly Json[]).map((entry) => [
    textOf(entry["manager"]),
    textOf(entry["operation"]),
    textOf(entry["subresource"] ?? ""),
    entry["fieldsV1"],
  ]);
}
