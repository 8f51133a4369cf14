/** Where the real Kubernetes programs are, once `scripts/peers.ts` has built and unpacked them. Building them is not here. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** The programs of the built binary. */
export const kubernetesPrograms = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"] as const;
/** One of them. */
export type KubernetesProgram = (typeof kubernetesPrograms)[number];

/** The folder of the Go module. */
export const kubernetesModule: string = join(import.meta.dir, "../peers/kubernetes");

/** The version of the built programs, as their module names it. */
export const kubernetesVersion: string =
  /^\s*k8s\.io\/kubernetes (v\S+)$/m.exec(readFileSync(join(kubernetesModule, "go.mod"), "utf8"))?.[1] ?? "";

/** Kept outside the sources, so that a fresh clone finds what another one built; named by what it is built from. */
export function kubernetesFolder(): string {
  const hash = createHash("sha256");
  for (const name of ["go.mod", "go.sum", "main.go"]) hash.update(readFileSync(join(kubernetesModule, name)));
  return join(peersFolder(), `kubernetes-${hash.digest("hex").slice(0, 16)}`);
}

/** Where Debian's package with kubectl 1.20 is unpacked. */
export function oldKubectlFolder(): string {
  return join(peersFolder(), "kubectl-debian");
}

/** A program of the built binary, when it is there. */
export function findKubernetesProgram(name: KubernetesProgram): string | undefined {
  return whenThere(join(kubernetesFolder(), name));
}

/** Debian's kubectl, when it is there. */
export function findOldKubectl(): string | undefined {
  return whenThere(join(oldKubectlFolder(), "usr/bin/kubectl"));
}

/** What to do about a missing program. */
export const howToGetPeers = "run `sh scripts/with-bun.sh run scripts/peers.ts` (needs Go and apt-get)";

function peersFolder(): string {
  return join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "lambient-peers");
}

function whenThere(path: string): string | undefined {
  return existsSync(path) ? path : undefined;
}
