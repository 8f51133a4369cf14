/** Tokens of service accounts: signed, and read again. Whether what they speak for is still there is asked elsewhere. */
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { calculateJwkThumbprint, errors, exportJWK, jwtVerify, SignJWT } from "jose";
import { isJsonObject, objectOr, textOr } from "../json.ts";

/** Who signs, and whom tokens are for unless they say otherwise: as kube-apiserver is set up by most. */
export const accountIssuer = "https://kubernetes.default.svc.cluster.local";

/** An object by whose end a token ends. */
export interface NamedObject {
  readonly name: string;
  readonly uid: string;
}

/** What a token says. */
export interface AccountClaims {
  readonly namespace: string;
  readonly account: NamedObject;
  /** What it is bound to. */
  readonly pod?: NamedObject;
  readonly secret?: NamedObject;
  /** The node of its Pod, or the Node it is bound to. */
  readonly node?: NamedObject;
}

/** A token's whole content. */
export interface AccountToken extends AccountClaims {
  readonly id: string;
  readonly audiences: readonly string[];
}

/** Why a token is none; undefined: it is no token of ours at all. */
export interface NotAToken {
  readonly reason: string | undefined;
}

/** How long, and for whom. */
export interface TokenTerms {
  readonly audiences: readonly string[];
  readonly nowSeconds: number;
  readonly expirationSeconds: number;
  readonly id: string;
}

/** Tokens remembered; beyond that all are forgotten, and verified again as they come. */
const knownMax = 512;

/** Signs and reads tokens with one key. */
export class AccountTokens {
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;
  /** Tokens read lately, with their ends: a signature costs 0.1 ms, and every request carries one. */
  readonly #known = new Map<string, { readonly token: AccountToken; readonly endsAtMs: number }>();
  #keyId: string | undefined;

  /** @param privateKey An EC key on P-256; a new one when absent: its tokens end with the process. */
  constructor(privateKey?: KeyObject) {
    this.#privateKey = privateKey ?? generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    this.#publicKey = createPublicKey(this.#privateKey);
  }

  /** A signed token. */
  async sign(claims: AccountClaims, terms: TokenTerms): Promise<string> {
    const { namespace, account, pod, secret, node } = claims;
    this.#keyId ??= await calculateJwkThumbprint(await exportJWK(this.#publicKey));
    const bound = {
      namespace,
      ...(node === undefined ? {} : { node }),
      ...(pod === undefined ? {} : { pod }),
      ...(secret === undefined ? {} : { secret }),
      serviceaccount: account,
    };
    return new SignJWT({ "kubernetes.io": bound })
      .setProtectedHeader({ alg: "ES256", kid: this.#keyId })
      .setIssuer(accountIssuer)
      .setSubject(`system:serviceaccount:${namespace}:${account.name}`)
      .setAudience([...terms.audiences])
      .setIssuedAt(terms.nowSeconds)
      .setNotBefore(terms.nowSeconds)
      .setExpirationTime(terms.nowSeconds + terms.expirationSeconds)
      .setJti(terms.id)
      .sign(this.#privateKey);
  }

  /** What a token says, when we signed it and it has not expired. */
  async read(token: string, nowMs: number): Promise<AccountToken | NotAToken> {
    const known = this.#known.get(token);
    if (known !== undefined && nowMs < known.endsAtMs) return known.token;
    try {
      const { payload } = await jwtVerify(token, this.#publicKey, {
        issuer: accountIssuer,
        algorithms: ["ES256"],
        currentDate: new Date(nowMs),
      });
      const read = tokenOf(payload);
      if ("account" in read) this.#remember(token, read, (payload.exp ?? 0) * 1000);
      return read;
    } catch (error) {
      const hasExpired = error instanceof errors.JWTExpired;
      return { reason: hasExpired ? "service account token has expired" : undefined };
    }
  }

  #remember(text: string, token: AccountToken, endsAtMs: number): void {
    if (this.#known.size >= knownMax) this.#known.clear();
    this.#known.set(text, { token, endsAtMs });
  }
}

function tokenOf(payload: { readonly [claim: string]: unknown }): AccountToken | NotAToken {
  const bound = objectOr(payload["kubernetes.io"]);
  const account = namedOf(bound["serviceaccount"]);
  if (account === undefined) return { reason: undefined };
  const { aud } = payload;
  const audiences = Array.isArray(aud) ? aud.map(textOr) : [textOr(aud)];
  const parts = (["pod", "secret", "node"] as const).flatMap((part) => {
    const named = namedOf(bound[part]);
    return named === undefined ? [] : [[part, named] as const];
  });
  const token = { id: textOr(payload["jti"]), audiences, namespace: textOr(bound["namespace"]), account };
  return { ...token, ...Object.fromEntries(parts) };
}

function namedOf(value: unknown): NamedObject | undefined {
  if (!isJsonObject(value)) return undefined;
  return { name: textOr(value["name"]), uid: textOr(value["uid"]) };
}
