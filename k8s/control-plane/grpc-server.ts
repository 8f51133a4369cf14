/** The gRPC server on `control.sock`: server TLS, bounded messages; not the services on it. */
import { chmodSync, rmSync } from "node:fs";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { MeshError } from "#host/mesh-error.ts";
import type { GrpcService } from "./discovery/serve-ads.ts";

/** Where it listens and what it shows. */
export interface GrpcServerOptions {
  readonly socketPath: string;
  readonly keyPem: string;
  readonly chainPem: string;
  readonly services: readonly GrpcService[];
  /** Largest message taken or sent. Default 64 MiB. */
  readonly messageBytesMax?: number;
}

/** A server that runs. */
export interface GrpcServer {
  /** Ends every stream at once and removes the socket. */
  close(): void;
}

/** Starts serving on a unix socket, mode 0600, replacing a stale one. @throws MeshError `io-failed` */
export async function serveGrpc(options: GrpcServerOptions): Promise<GrpcServer> {
  rmSync(options.socketPath, { force: true });
  const messageBytesMax = options.messageBytesMax ?? 64 << 20;
  const server = new Server({
    "grpc.max_receive_message_length": messageBytesMax,
    "grpc.max_send_message_length": messageBytesMax,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
  });
  for (const { definition, implementation } of options.services)
    server.addService(definition, implementation);
  const pair = { private_key: Buffer.from(options.keyPem), cert_chain: Buffer.from(options.chainPem) };
  const credentials = ServerCredentials.createSsl(null, [pair], false);
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${options.socketPath}`, credentials, (error) =>
      error === null ? resolve() : reject(cannotServe(options.socketPath, error)),
    ),
  );
  chmodSync(options.socketPath, 0o600);
  return {
    close() {
      server.forceShutdown();
      rmSync(options.socketPath, { force: true });
    },
  };
}

function cannotServe(path: string, error: Error): MeshError {
  return new MeshError(
    "io-failed",
    `Cannot serve discovery and certificates on "${path}": ${error.message}`,
    error,
  );
}
