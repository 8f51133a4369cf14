/** A certificate service for tests: signs for whoever has the token, whatever identity is asked for, and can be stopped from signing. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type sendUnaryData, type ServerUnaryCall, status } from "@grpc/grpc-js";
import { parseSpiffeId, type SpiffeId } from "#core/identity/spiffe-id.ts";
import {
  type IstioCertificateRequest,
  IstioCertificateRequestSchema,
  type IstioCertificateResponse,
  IstioCertificateResponseSchema,
} from "#core/proto/istio/ca_pb.js";
import type { GrpcService } from "../../k8s/control-plane/discovery/serve-ads.ts";
import type { TestCa } from "./test-ca.ts";

/** What the service did and how it behaves. */
export interface AuthorityBehaviour {
  /** Identities signed, in order. */
  readonly signed: SpiffeId[];
  /** Life of a certificate in ms, an hour by default. */
  lifeMs?: number;
  /** Refuses everything when set. */
  isDown?: boolean;
}

/** Makes the service. */
export function recordedAuthority(ca: TestCa, behaviour: AuthorityBehaviour): GrpcService {
  return {
    definition: {
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
    },
    implementation: {
      CreateCertificate(
        { request }: ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>,
        callback: sendUnaryData<IstioCertificateResponse>,
      ): void {
        const impersonated = request.metadata?.["ImpersonatedIdentity"];
        const identity = parseSpiffeId(typeof impersonated === "string" ? impersonated : "");
        if (behaviour.isDown === true || !identity.ok) {
          return callback({ code: status.UNAVAILABLE, details: "the test says no" });
        }
        const notAfterMs = Date.now() + (behaviour.lifeMs ?? 3_600_000);
        const { chainPem, rootsPem } = ca.sign(identity.value, request.csr, { notAfterMs });
        behaviour.signed.push(identity.value);
        callback(null, create(IstioCertificateResponseSchema, { certChain: [chainPem, rootsPem] }));
      },
    },
  };
}
