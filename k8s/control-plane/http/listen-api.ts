/**
 * The API's two doors, a port of 127.0.0.1 for people's clients and a unix socket for the mesh's programs: TLS on both, one handler behind
 * them. Only connections of the port can become something else.
 */
import { chmodSync, rmSync } from "node:fs";
import { systemClock } from "#host/clock.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import type { WatchLeft } from "./given-stream.ts";
import { refusal } from "./refusal.ts";
import { type HttpServer, serveHttp } from "./serve-http.ts";
import { UpgradeResponse } from "./upgrade-response.ts";

/** Where to listen, and who answers. */
export interface ListenApiOptions {
  /** 0 takes a free one. */
  readonly port: number;
  readonly socketPath: string;
  readonly keyPem: string;
  readonly chainPem: string;
  readonly handle: (request: Request) => Promise<Response>;
  /** Watches the clients of connections that were given away. */
  readonly watchLeft: WatchLeft;
}

/** The doors, open. */
export interface ApiDoors {
  readonly port: number;
  /** Ends every request and removes the socket. */
  close(): Promise<void>;
}

/** A bundle, and some room for what is sent around it. */
const bodyBytesMax = 20 << 20;

/**
 * A watch is silent for as long as nothing happens; the default would end it after 10 s. Bun's types know the option
 * for TCP only, though a unix socket needs it alike: there `server.timeout(request, 0)` has no effect.
 */
const patience: object = { idleTimeout: 0 };

/** Opens both. @throws MeshError `io-failed` when the port is taken or the socket cannot be made */
export function listenApi(options: ListenApiOptions): ApiDoors {
  rmSync(options.socketPath, { force: true });
  let local: ReturnType<typeof Bun.serve> | undefined;
  let port: HttpServer | undefined;
  try {
    local = serveLocal(options);
    chmodSync(options.socketPath, 0o600);
    port = serveHttp({ ...options, bodyBytesMax, clock: systemClock });
    const servers = { local, port };
    return {
      port: servers.port.port,
      async close() {
        servers.port.close();
        await servers.local.stop(true);
        rmSync(options.socketPath, { force: true });
      },
    };
  } catch (error) {
    void local?.stop(true);
    const text = `Cannot serve the API on 127.0.0.1:${options.port} and "${options.socketPath}": ${errorText(error)}`;
    throw new MeshError("io-failed", `${text}; if the port is taken, choose another with --api-port`, error);
  }
}

function serveLocal(options: ListenApiOptions): ReturnType<typeof Bun.serve> {
  return Bun.serve({
    unix: options.socketPath,
    tls: { key: options.keyPem, cert: options.chainPem },
    maxRequestBodySize: bodyBytesMax,
    async fetch(request: Request): Promise<Response> {
      const response = await options.handle(request);
      if (!(response instanceof UpgradeResponse)) return response;
      return refusal(501, "NotImplemented", "Cannot switch protocols on this socket: use the API's port");
    },
    ...patience,
  });
}
