/** Asks the certificate authority (`istio.v1.auth.IstioCertificateService`) to sign requests; holds no certificate. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Client, type ServiceError, status } from "@grpc/grpc-js";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import {
  type IstioCertificateRequest,
  IstioCertificateRequestSchema,
  type IstioCertificateResponse,
  IstioCertificateResponseSchema,
} from "#core/proto/istio/ca_pb.js";
import {
  callMetadata,
  type ControlChannelOptions,
  openControlChannel,
} from "#host/discovery/control-channel.ts";
import { MeshError, type MeshErrorCode } from "#host/mesh-error.ts";

/** A signed chain. */
export interface SignedChain {
  /** Leaf first, then intermediates. */
  readonly chainPem: string;
  readonly rootsPem: string;
}

/** Signs requests. */
export interface AuthorityClient {
  /**
   * Has a request signed for an identity that this program may act for.
   * @throws MeshError (rejects): `not-permitted`, `bad-input`, `unavailable`, `timeout`, `limit-reached`.
   */
  sign(identity: SpiffeId, csrPem: string): Promise<SignedChain>;
  /** Connects ahead of the first request, for programs that wait for their part; a failure shows at that request. */
  connect(): void;
  close(): void;
}

/** How the authority is asked. */
export interface AuthorityClientOptions {
  readonly channel: ControlChannelOptions;
  /** How long certificates are wanted for; the authority may give less. Default 24 h. */
  readonly ttlMs?: number;
  /** Longest one request may take. Default 10 s. */
  readonly timeoutMs?: number;
}

const method = "/istio.v1.auth.IstioCertificateService/CreateCertificate";

/** Makes a client; it connects with its first request, and again whenever the connection was lost. */
export function openAuthorityClient(options: AuthorityClientOptions): AuthorityClient {
  let client: Client | undefined;
  return {
    async sign(identity, csrPem) {
      client ??= openControlChannel(options.channel);
      const request = create(IstioCertificateRequestSchema, {
        csr: csrPem,
        validityDuration: BigInt(Math.ceil((options.ttlMs ?? 86_400_000) / 1000)),
        metadata: { ImpersonatedIdentity: identity },
      });
      return readChain(identity, await ask(client, options, request));
    },
    connect() {
      client ??= openControlChannel(options.channel);
      client.waitForReady(Date.now() + (options.timeoutMs ?? 10_000), () => undefined);
    },
    close() {
      client?.close();
      client = undefined;
    },
  };
}

function ask(
  client: Client,
  options: AuthorityClientOptions,
  request: IstioCertificateRequest,
): Promise<IstioCertificateResponse> {
  return new Promise((resolve, reject) => {
    const metadata = callMetadata(options.channel);
    const deadline = Date.now() + (options.timeoutMs ?? 10_000);
    const answered = (error: ServiceError | null, response?: IstioCertificateResponse): void => {
      if (error === null && response !== undefined) resolve(response);
      else reject(asMeshError(error));
    };
    client.makeUnaryRequest(method, encode, decode, request, metadata, { deadline }, answered);
  });
}

function asMeshError(error: ServiceError | null): MeshError {
  const code = (error === null ? undefined : codes[error.code]) ?? "unavailable";
  const text = error?.details ?? "no answer";
  return new MeshError(code, `Cannot get a certificate from the authority: ${text}`, error ?? undefined);
}

const codes: Readonly<Partial<Record<number, MeshErrorCode>>> = {
  [status.PERMISSION_DENIED]: "not-permitted",
  [status.UNAUTHENTICATED]: "not-permitted",
  [status.INVALID_ARGUMENT]: "bad-input",
  [status.DEADLINE_EXCEEDED]: "timeout",
  [status.RESOURCE_EXHAUSTED]: "limit-reached",
};

/** Istio's answer: the leaf, intermediates, and the roots together as the last element. */
function readChain(identity: SpiffeId, { certChain }: IstioCertificateResponse): SignedChain {
  if (certChain.length < 2) {
    throw new MeshError(
      "protocol-violation",
      `Cannot use the certificate of ${identity} as leaf and roots: ${certChain.length} elements`,
    );
  }
  return { chainPem: certChain.slice(0, -1).join(""), rootsPem: certChain.at(-1) ?? "" };
}

function encode(request: IstioCertificateRequest): Buffer {
  return Buffer.from(toBinary(IstioCertificateRequestSchema, request));
}

function decode(bytes: Buffer): IstioCertificateResponse {
  return fromBinary(IstioCertificateResponseSchema, bytes);
}
