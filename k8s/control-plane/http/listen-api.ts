/** The API's two doors, a port of 127.0.0.1 and a unix socket: TLS on both, one handler behind them. */
import { chmodSync, rmSync } from "node:fs";
import { errorText, MeshError } from "#host/mesh-error.ts";

/** Where to listen, and who answers. */
export interface ListenApiOptions {
  /** 0 takes a free one. */
  readonly port: number;
  readonly socketPath: string;
  readonly keyPem: string;
  readonly chainPem: string;
  readonly handle: (request: Request) => Promise<Response>;
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
  const shared = {
    tls: { key: options.keyPem, cert: options.chainPem },
    maxRequestBodySize: bodyBytesMax,
    fetch: (request: Request): Promise<Response> => options.handle(request),
    ...patience,
  };
  rmSync(options.socketPath, { force: true });
  let local: ReturnType<typeof Bun.serve> | undefined;
  try {
    local = Bun.serve({ ...shared, unix: options.socketPath });
    chmodSync(options.socketPath, 0o600);
    const tcp = Bun.serve({ ...shared, hostname: "127.0.0.1", port: options.port });
    const servers = [local, tcp];
    return {
      port: tcp.port ?? options.port,
      async close() {
        await Promise.all(servers.map((server) => server.stop(true)));
        rmSync(options.socketPath, { force: true });
      },
    };
  } catch (error) {
    void local?.stop(true);
    const text = `Cannot serve the API on 127.0.0.1:${options.port} and "${options.socketPath}": ${errorText(error)}`;
    throw new MeshError("io-failed", `${text}; if the port is taken, choose another with --api-port`, error);
  }
}
