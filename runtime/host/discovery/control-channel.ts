/** A gRPC client to the control plane: server TLS and a bearer token; not the services spoken over it. */
import { readFileSync } from "node:fs";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { errorText, MeshError } from "#host/mesh-error.ts";

/** Where the control plane is and how the two know each other. */
export interface ControlChannelOptions {
  /** `unix:<path>` or `<host>:<port>`. */
  readonly target: string;
  /** PEM file with the roots that the server's certificate must chain to; read at each connection. */
  readonly rootsPath: string;
  /** File with this program's bearer token; read at each call, so that a renewed one is taken. */
  readonly tokenPath: string;
  /** DNS name that the server's certificate must carry. Default `lambient.local`. */
  readonly serverName?: string;
  /** Largest message taken, in bytes. Default 64 MiB. */
  readonly messageBytesMax?: number;
}

/** What the control plane has below a run directory, for the program whose token it is. */
export function controlChannelIn(runDir: string, program: string): ControlChannelOptions {
  return {
    target: `unix:${runDir}/control.sock`,
    rootsPath: `${runDir}/ca.pem`,
    tokenPath: `${runDir}/tokens/${program}`,
  };
}

/**
 * Makes a client; it connects with its first call.
 * @throws MeshError `unavailable` when the roots cannot be read.
 */
export function openControlChannel(options: ControlChannelOptions): Client {
  const roots = readOrThrow(options.rootsPath, "the control plane's root certificate");
  const serverName = options.serverName ?? "lambient.local";
  const messageBytesMax = options.messageBytesMax ?? 64 << 20;
  return new Client(options.target, credentials.createSsl(roots), {
    "grpc.ssl_target_name_override": serverName,
    "grpc.default_authority": serverName,
    // The shared pool would remember a failed server's back-off; ours is kept by the callers.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 15_000,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.max_receive_message_length": messageBytesMax,
    "grpc.max_send_message_length": messageBytesMax,
    "grpc.enable_retries": 0,
  });
}

/**
 * The metadata that names this program to the control plane.
 * @throws MeshError `unavailable` when the token cannot be read.
 */
export function callMetadata(options: ControlChannelOptions): Metadata {
  const metadata = new Metadata();
  const token = readOrThrow(options.tokenPath, "this program's token").toString("utf8").trim();
  metadata.set("authorization", `Bearer ${token}`);
  return metadata;
}

function readOrThrow(path: string, what: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new MeshError("unavailable", `Cannot read ${what} as a file: ${errorText(error)}`, error);
  }
}
