/** A pair of nginx `stream` proxies with mutual TLS between two test nodes, and the static upstream that both pairs are measured with. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Libc } from "#host/linux/libc.ts";
import type { NetworkNamespace } from "#host/linux/namespaces.ts";
import { type NodePair, spawnIn } from "../support/node-pair.ts";
import type { TestCa } from "../support/test-ca.ts";
import { pinned } from "./bench.ts";

/** A program of the bench. */
export interface BenchProgram {
  readonly pid: number;
  stop(): Promise<void>;
}

/** Where the first nginx takes plain connections, in the first node's namespace. */
export const nginxEntryPort = 9000;
const tlsPort = 15_443;
/** The upstream's port, in whichever namespace it runs. */
export const upstreamPort = 8080;
/** The one TLS 1.3 cipher that both pairs use. */
export const cipher = "TLS_AES_128_GCM_SHA256";
/** The length of `/big`. */
const bigBytes = 256 << 20;

interface NginxOptions {
  readonly libc: Libc;
  readonly namespace: NetworkNamespace;
  readonly folder: string;
  readonly cores: string;
}

/** Starts the static upstream: `/` is 64 bytes, `/big` 256 MiB. */
export function startUpstream(options: NginxOptions): BenchProgram {
  const files = join(options.folder, "files");
  mkdirSync(files, { recursive: true });
  writeFileSync(join(files, "index.html"), "x".repeat(64));
  writeFileSync(join(files, "big"), Buffer.alloc(bigBytes, 120));
  return startNginx(
    options,
    `http {
      access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000; open_file_cache max=10;
      server { listen 0.0.0.0:${upstreamPort} backlog=4096; root ${files}; }
    }`,
  );
}

/** Starts both proxies, the second before the static upstream on its own loopback. */
export function startNginxPair(
  libc: Libc,
  nodes: NodePair,
  ca: TestCa,
  options: { readonly folder: string; readonly cores: readonly [a: string, b: string] },
): BenchProgram[] {
  const { folder, cores } = options;
  const [caPath, server, client] = [join(folder, "ca.pem"), join(folder, "server"), join(folder, "client")];
  mkdirSync(folder, { recursive: true });
  writeFileSync(caPath, ca.rootsPem);
  const pairs = [
    [server, ca.issueServer(["echo"])],
    [client, ca.issue("ns/shop/sa/web")],
  ] as const;
  for (const [path, { keyPem, chainPem }] of pairs) {
    writeFileSync(`${path}.pem`, chainPem);
    writeFileSync(`${path}.key`, keyPem, { mode: 0o600 });
  }
  // No resumption on either side: a resumed session is not a verified certificate, and ours resumes none.
  const b = startNginx(
    { libc, namespace: nodes.b.namespace, folder: join(folder, "b"), cores: cores[1] },
    `stream {
      server {
        listen ${nodes.b.linkAddress}:${tlsPort} ssl backlog=4096;
        ssl_certificate ${server}.pem; ssl_certificate_key ${server}.key;
        ssl_client_certificate ${caPath}; ssl_verify_client on;
        ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites ${cipher};
        ssl_session_tickets off; ssl_session_cache off;
        proxy_pass 127.0.0.1:${upstreamPort};
      }
    }`,
  );
  const a = startNginx(
    { libc, namespace: nodes.a.namespace, folder: join(folder, "a"), cores: cores[0] },
    `stream {
      server {
        listen 127.0.0.1:${nginxEntryPort} backlog=4096;
        proxy_pass ${nodes.b.linkAddress}:${tlsPort};
        proxy_ssl on; proxy_ssl_protocols TLSv1.3; proxy_ssl_conf_command Ciphersuites ${cipher};
        proxy_ssl_certificate ${client}.pem; proxy_ssl_certificate_key ${client}.key;
        proxy_ssl_trusted_certificate ${caPath}; proxy_ssl_verify on; proxy_ssl_name echo;
        proxy_ssl_session_reuse off;
      }
    }`,
  );
  return [a, b];
}

function startNginx({ libc, namespace, folder, cores }: NginxOptions, block: string): BenchProgram {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "nginx.conf");
  writeFileSync(
    path,
    `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
    daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 65536;
    pid ${folder}/nginx.pid; error_log ${folder}/error.log warn;
    events { worker_connections 16384; }
    ${block}\n`,
  );
  const child = spawnIn(libc, namespace, pinned(cores, ["nginx", "-p", folder, "-c", path]));
  return {
    pid: child.pid,
    async stop() {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}
