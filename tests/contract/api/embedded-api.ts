/** The embedded API behind TLS on a unix socket or a port, as the control plane serves it, for tests. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRoot, openIssuer } from "#host/certificates/issuer.ts";
import { systemClock } from "#host/clock.ts";
import { type Log, silentLog } from "#host/log.ts";
import type { Api, ApiOptions, User } from "../../../k8s/api/api.ts";
import { openApi } from "../../../k8s/api/open-api.ts";

/** A token and whom it stands for. */
export interface TestUser {
  readonly token: string;
  readonly user: User;
}

/** May do everything. */
export const adminUser: TestUser = {
  token: "admin-token",
  user: { name: "admin", groups: ["system:masters"] },
};
/** The node's daemon. */
export const nodeUser: TestUser = {
  token: "node-token",
  user: { name: "system:lambient:node-runtime", groups: [] },
};
/** Known, and allowed nothing. */
export const strangerUser: TestUser = { token: "stranger-token", user: { name: "stranger", groups: [] } };

/** Above the API's own limit, so that it is the API that refuses. */
const maxRequestBodySize = 8 << 20;

/** Bun's types know the option for TCP only; without it a quiet watch is cut after 10 s on a unix socket too. */
const patience: object = { idleTimeout: 0 };

/** A running API. */
export interface EmbeddedApi extends AsyncDisposable {
  readonly api: Api;
  close(): Promise<void>;
  readonly folder: string;
  readonly caFile: string;
  readonly socketPath: string;
  /** Same, on TCP. */
  readonly baseUrl: string;
}

/** Starts one in a folder of its own. */
export function startEmbeddedApi(options: Partial<ApiOptions> & { readonly log?: Log } = {}): EmbeddedApi {
  const folder = mkdtempSync(join(tmpdir(), "lambient-api-"));
  const { keyPem, certificatePem, caPem } = serverCertificate();
  const caFile = join(folder, "ca.pem");
  const socketPath = join(folder, "api.sock");
  writeFileSync(caFile, caPem);
  const api = openApi({
    dataFile: join(folder, "store.db"),
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    ...options,
  });
  const tls = { key: keyPem, cert: certificatePem };
  const answer = async (request: Request): Promise<Response> =>
    api.handle(request, await userOf(api, request));
  const onSocket = Bun.serve({ ...patience, unix: socketPath, tls, fetch: answer, maxRequestBodySize });
  const onPort = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls,
    ...patience,
    fetch: answer,
    maxRequestBodySize,
  });
  return {
    api,
    folder,
    caFile,
    socketPath,
    baseUrl: `https://localhost:${onPort.port}`,
    async close() {
      await Promise.all([onSocket.stop(true), onPort.stop(true)]);
      api.close();
      rmSync(folder, { recursive: true, force: true });
    },
    async [Symbol.asyncDispose]() {
      await this.close();
    },
  };
}

/** A test's own user, or a service account. */
async function userOf(api: Api, request: Request): Promise<User | undefined> {
  const token = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
  const known = [adminUser, nodeUser, strangerUser].find((user) => user.token === token);
  return known?.user ?? api.authenticate(token);
}

/** A certificate for `localhost` and `lambient.local`, and the authority that signed it. */
export function serverCertificate(): { keyPem: string; certificatePem: string; caPem: string } {
  const nowMs = Date.now();
  const issuer = openIssuer(createRoot("test", nowMs - 60_000, nowMs + 3_600_000));
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const certificatePem = issuer.issue({
    publicKey: publicKey.export({ type: "spki", format: "der" }),
    altNames: { uris: [], dnsNames: ["localhost", "lambient.local"], ips: [] },
    notBeforeMs: nowMs - 60_000,
    notAfterMs: nowMs + 3_600_000,
  });
  const keyPem = privateKey.export({ type: "pkcs8", format: "pem" });
  return { keyPem, certificatePem, caPem: issuer.rootPem };
}
