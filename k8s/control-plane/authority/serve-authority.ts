/** The certificate service (`istio.v1.auth.IstioCertificateService`) over gRPC: who asks, what for, signed or refused. */
import { fromBinary, toBinary, create } from "@bufbuild/protobuf";
import { type sendUnaryData, type ServerUnaryCall, type ServiceDefinition, status } from "@grpc/grpc-js";
import { parseSpiffeId } from "#core/identity/spiffe-id.ts";
import {
  type IstioCertificateRequest,
  IstioCertificateRequestSchema,
  type IstioCertificateResponse,
  IstioCertificateResponseSchema,
} from "#core/proto/istio/ca_pb.js";
import type { Issuer } from "#host/certificates/issuer.ts";
import type { GrpcService } from "../discovery/serve-ads.ts";
import { decideIdentity, type IdentityFacts } from "./decide-identity.ts";
import { readRequest, signRequest } from "./sign-request.ts";

/** What the service needs. */
export interface AuthorityServiceOptions {
  readonly issuer: Issuer;
  readonly authenticate: (authorization: string | undefined) => Promise<string | undefined>;
  /** The mesh as it is now. */
  readonly facts: () => IdentityFacts;
  readonly nowMs: () => number;
  /** Longest life of a certificate. */
  readonly ttlMaxMs: number;
  readonly onAnswer?: (answer: AuthorityAnswer) => void;
}

/** What became of a request, for logs and metrics. */
export interface AuthorityAnswer {
  readonly program: string;
  readonly identity: string;
  readonly outcome: "signed" | "refused" | "unauthenticated" | "malformed";
  readonly reason: string;
}

/** An answer that is not a certificate. */
interface Refusal {
  readonly code: status;
  readonly answer: AuthorityAnswer;
}

type Call = ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>;

/** Makes the service. */
export function makeAuthorityService(options: AuthorityServiceOptions): GrpcService {
  return {
    definition: authorityDefinition,
    implementation: {
      CreateCertificate(call: Call, callback: sendUnaryData<IstioCertificateResponse>): void {
        createCertificate(call, options)
          .then((answer) => {
            if ("code" in answer) {
              options.onAnswer?.(answer.answer);
              callback({ code: answer.code, details: answer.answer.reason });
            } else callback(null, answer);
          })
          .catch((error: unknown) => callback({ code: status.INTERNAL, details: String(error) }));
      },
    },
  };
}

async function createCertificate(
  call: Call,
  options: AuthorityServiceOptions,
): Promise<IstioCertificateResponse | Refusal> {
  const program = await options.authenticate(call.metadata.get("authorization")[0]?.toString());
  if (program === undefined) {
    const reason = "the bearer token is absent or not valid";
    return {
      code: status.UNAUTHENTICATED,
      answer: { program: "", identity: "", outcome: "unauthenticated", reason },
    };
  }
  const request = readRequest(call.request.csr);
  if (!request.ok) return malformed(program, "", request.error);
  const impersonated = call.request.metadata?.["ImpersonatedIdentity"];
  const wanted = typeof impersonated === "string" ? impersonated : (request.value.altNames.uris[0] ?? "");
  const identity = parseSpiffeId(wanted);
  if (!identity.ok) return malformed(program, wanted.slice(0, 200), identity.error);
  const decided = decideIdentity(program, identity.value, options.facts());
  if (!decided.ok) {
    const answer = { program, identity: identity.value, outcome: "refused" as const, reason: decided.error };
    return { code: status.PERMISSION_DENIED, answer };
  }
  const { issuer, nowMs, ttlMaxMs } = options;
  const ttlMs = Number(call.request.validityDuration) * 1000;
  const signed = signRequest(request.value, identity.value, { issuer, nowMs: nowMs(), ttlMaxMs, ttlMs });
  if (!signed.ok) return malformed(program, identity.value, signed.error);
  options.onAnswer?.({ program, identity: identity.value, outcome: "signed", reason: "" });
  return create(IstioCertificateResponseSchema, { certChain: [signed.value, issuer.rootPem] });
}

function malformed(program: string, identity: string, reason: string): Refusal {
  return { code: status.INVALID_ARGUMENT, answer: { program, identity, outcome: "malformed", reason } };
}

const authorityDefinition: ServiceDefinition = {
  CreateCertificate: {
    path: "/istio.v1.auth.IstioCertificateService/CreateCertificate",
    requestStream: false,
    responseStream: false,
    requestSerialize: (request: IstioCertificateRequest) =>
      Buffer.from(toBinary(IstioCertificateRequestSchema, request)),
    requestDeserialize: (bytes: Buffer) => fromBinary(IstioCertificateRequestSchema, bytes),
    responseSerialize: (response: IstioCertificateResponse) =>
      Buffer.from(toBinary(IstioCertificateResponseSchema, response)),
    responseDeserialize: (bytes: Buffer) => fromBinary(IstioCertificateResponseSchema, bytes),
  },
};
