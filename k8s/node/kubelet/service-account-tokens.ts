/** Tokens of service accounts for Pods, asked of the API when a volume wants them and again before they end. */
import type { Clock } from "#host/clock.ts";
import type { KubeConnection } from "#host/kube/kube-connection.ts";
import type { PodObject } from "../../model/pod.ts";

/** Which token. */
export interface TokenWish {
  readonly audience: string | undefined;
  readonly expirationSeconds: number;
}

/** Gives tokens; the same one until most of its life is over. */
export interface ServiceAccountTokens {
  /** @throws KubeError or MeshError when the API gives none */
  get(pod: PodObject, wish: TokenWish): Promise<string>;
  /** The Pod is gone. */
  forget(uid: string): void;
}

interface Held {
  readonly token: string;
  readonly refreshAtMs: number;
}

/** As the real kubelet: at four fifths of a life, or after a day. */
const livedShare = 0.8;
const heldMsMax = 86_400_000;

/** Makes one over a connection. */
export function makeServiceAccountTokens(connection: KubeConnection, clock: Clock): ServiceAccountTokens {
  const held = new Map<string, Map<string, Held>>();
  return {
    async get(pod, wish) {
      const { uid } = pod.metadata;
      const tokens = held.get(uid) ?? new Map<string, Held>();
      held.set(uid, tokens);
      const key = JSON.stringify(wish);
      const known = tokens.get(key);
      if (known !== undefined && clock.nowMs() < known.refreshAtMs) return known.token;
      const token = await ask(connection, pod, wish);
      const livesMs = Math.min(wish.expirationSeconds * 1000 * livedShare, heldMsMax);
      tokens.set(key, { token, refreshAtMs: clock.nowMs() + livesMs });
      return token;
    },
    forget: (uid) => void held.delete(uid),
  };
}

async function ask(
  connection: KubeConnection,
  { metadata, spec }: PodObject,
  wish: TokenWish,
): Promise<string> {
  const account = spec.serviceAccountName ?? "default";
  const answer = await connection.ask({
    method: "POST",
    path: `/api/v1/namespaces/${metadata.namespace}/serviceaccounts/${account}/token`,
    body: {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: {
        audiences: wish.audience === undefined || wish.audience === "" ? [] : [wish.audience],
        expirationSeconds: wish.expirationSeconds,
        boundObjectRef: { apiVersion: "v1", kind: "Pod", name: metadata.name, uid: metadata.uid },
      },
    },
  });
  // Sound: what the API answers to a TokenRequest is one, with its status.
  const { status } = answer as { readonly status?: { readonly token?: string } };
  if (status?.token === undefined)
    throw new Error(`Cannot get a token for service account ${account}: the answer has none`);
  return status.token;
}
