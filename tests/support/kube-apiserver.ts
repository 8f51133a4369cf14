/**
 * A real Kubernetes API on loopback, for tests that hold ours against it: etcd, kube-apiserver and, unless told
 * otherwise, the controller manager. The programs are one binary that goes by its name; `scripts/peers.ts` builds it.
 */
import { generateKeyPairSync } from "node:crypto";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kubernetesFolder } from "./kube-peers.ts";
import { waitUntil } from "./wait-until.ts";

/** Where the binary is looked for. */
export const kubeBinary: string =
  process.env["LAMBIENT_KUBE_BINARY"] ?? join(kubernetesFolder(), "kubernetes");

/** Whether a real API can be started on this machine. */
export const hasKubeBinary: boolean = existsSync(kubeBinary);

/** The one user; may do everything. */
const adminToken = "admin-token";

/** A running API. */
export interface KubeApiserver extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  /** PEM file of its certificate. */
  readonly caFile: string;
  /** Of a command line client. */
  readonly kubeconfig: string;
  readonly etcdUrl: string;
  readonly pids: readonly number[];
}

/** What is started, and how. */
export interface KubeApiserverOptions {
  /** Whether writes outlive a loss of power, which takes tests with it. Default false. */
  readonly syncsToDisk?: boolean;
  /** Whether the controller manager runs too. Default true. */
  readonly hasControllers?: boolean;
}

/** Starts one in a folder of its own, and waits until it answers. */
export async function startKubeApiserver(options: KubeApiserverOptions = {}): Promise<KubeApiserver> {
  const folder = mkdtempSync(join(tmpdir(), "lambient-kube-"));
  const [clientPort, peerPort, apiPort, managerPort] = freePorts(4);
  const url = `https://127.0.0.1:${apiPort}`;
  const etcdUrl = `http://127.0.0.1:${clientPort}`;
  const caFile = join(folder, "certificates", "apiserver.crt");
  const kubeconfig = join(folder, "kubeconfig");
  const programs: Bun.Subprocess[] = [];
  const run = (name: string, flags: Record<string, string>): void => {
    programs.push(start(folder, name, flags));
  };
  const dispose = async (): Promise<void> => {
    for (const program of programs.toReversed()) {
      program.kill("SIGKILL");
      await program.exited;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  writeKeys(folder);
  const etcd = etcdFlags(folder, etcdUrl, `http://127.0.0.1:${peerPort}`);
  run("etcd", options.syncsToDisk === true ? etcd : { ...etcd, "unsafe-no-fsync": "true" });
  run("kube-apiserver", apiFlags(folder, etcdUrl, String(apiPort)));
  try {
    await waitUntil("the real API answers", () => isReady(url, caFile), 120_000);
    writeFileSync(kubeconfig, kubeconfigOf(url, caFile));
    if (options.hasControllers !== false) {
      run("kube-controller-manager", managerFlags(folder, kubeconfig, String(managerPort)));
    }
  } catch (error) {
    const log = readFileSync(join(folder, "kube-apiserver.log"), "utf8").slice(-2000);
    await dispose();
    throw new Error(`Cannot start the real API: ${log}`, { cause: error });
  }
  const pids = programs.map((program) => program.pid);
  return { url, token: adminToken, caFile, kubeconfig, etcdUrl, pids, [Symbol.asyncDispose]: dispose };
}

function start(folder: string, name: string, flags: Record<string, string>): Bun.Subprocess {
  const log = openSync(join(folder, `${name}.log`), "w");
  const list = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
  const program = Bun.spawn([kubeBinary, ...list], {
    argv0: name,
    cwd: folder,
    stdin: "ignore",
    stdout: log,
    stderr: log,
  });
  closeSync(log);
  return program;
}

function etcdFlags(folder: string, clientUrl: string, peerUrl: string): Record<string, string> {
  return {
    "data-dir": join(folder, "etcd"),
    name: "one",
    "listen-client-urls": clientUrl,
    "advertise-client-urls": clientUrl,
    "listen-peer-urls": peerUrl,
    "initial-advertise-peer-urls": peerUrl,
    "initial-cluster": `one=${peerUrl}`,
  };
}

function apiFlags(folder: string, etcdUrl: string, port: string): Record<string, string> {
  return {
    "etcd-servers": etcdUrl,
    "bind-address": "127.0.0.1",
    "secure-port": port,
    "cert-dir": join(folder, "certificates"),
    "service-cluster-ip-range": "10.96.0.0/16",
    "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
    "service-account-key-file": join(folder, "accounts.pub"),
    "service-account-signing-key-file": join(folder, "accounts.key"),
    "authorization-mode": "RBAC",
    "token-auth-file": join(folder, "tokens.csv"),
    "allow-privileged": "true",
    "endpoint-reconciler-type": "none",
    "enable-priority-and-fairness": "false",
  };
}

function managerFlags(folder: string, kubeconfig: string, port: string): Record<string, string> {
  return {
    kubeconfig,
    "leader-elect": "false",
    "bind-address": "127.0.0.1",
    "secure-port": port,
    "cert-dir": join(folder, "certificates"),
    "service-account-private-key-file": join(folder, "accounts.key"),
    "root-ca-file": join(folder, "certificates", "apiserver.crt"),
  };
}

function writeKeys(folder: string): void {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  writeFileSync(join(folder, "accounts.key"), privateKey.export({ type: "pkcs1", format: "pem" }));
  writeFileSync(join(folder, "accounts.pub"), publicKey.export({ type: "spki", format: "pem" }));
  writeFileSync(join(folder, "tokens.csv"), `${adminToken},admin,admin,system:masters\n`);
}

async function isReady(url: string, caFile: string): Promise<boolean> {
  if (!existsSync(caFile)) return false;
  const tls = { ca: readFileSync(caFile, "utf8") };
  const headers = { authorization: `Bearer ${adminToken}` };
  if (!(await fetch(`${url}/readyz`, { tls, headers })).ok) return false;
  // What every test begins with.
  return (await fetch(`${url}/api/v1/namespaces/default`, { tls, headers })).ok;
}

function kubeconfigOf(url: string, caFile: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "real",
    clusters: [{ name: "real", cluster: { server: url, "certificate-authority": caFile } }],
    users: [{ name: "admin", user: { token: adminToken } }],
    contexts: [{ name: "real", context: { cluster: "real", user: "admin" } }],
  });
}

/** Ports that are free now; they are given out together, so that no two of them are one. */
function freePorts(count: number): readonly number[] {
  const none = { data: () => {} };
  const held = Array.from({ length: count }, () =>
    Bun.listen({ hostname: "127.0.0.1", port: 0, socket: none }),
  );
  const ports = held.map(({ port }) => port);
  for (const listener of held) listener.stop(true);
  return ports;
}
