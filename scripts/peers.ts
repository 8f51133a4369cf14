/** Builds and unpacks what only tests and benches need of Kubernetes: its programs from their Go module, and Debian's older kubectl. Once; later calls find them. */
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  findKubernetesProgram,
  findOldKubectl,
  kubernetesFolder,
  kubernetesModule,
  kubernetesPrograms,
  kubernetesVersion,
  oldKubectlFolder,
} from "../tests/support/kube-peers.ts";

if (findKubernetesProgram("kubectl") === undefined) buildKubernetes();
if (findOldKubectl() === undefined) unpackOldKubectl();

/** Minutes on a small machine: it compiles an API server. */
function buildKubernetes(): void {
  inFreshFolder(kubernetesFolder(), (folder) => {
    const version = "k8s.io/component-base/version";
    const [major = "", minor = ""] = kubernetesVersion.slice(1).split(".");
    // Without these, `/version` would tell of no release.
    const stamps = [`gitVersion=${kubernetesVersion}`, `gitMajor=${major}`, `gitMinor=${minor}`];
    const flags = ["-s", "-w", ...stamps.flatMap((stamp) => ["-X", `${version}.${stamp}`])].join(" ");
    run(["go", "build", "-trimpath", "-ldflags", flags, "-o", join(folder, "kubernetes"), "."], {
      cwd: kubernetesModule,
      env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=readonly -p=2" },
    });
    for (const name of kubernetesPrograms) symlinkSync("kubernetes", join(folder, name));
  });
}

function unpackOldKubectl(): void {
  inFreshFolder(oldKubectlFolder(), (folder) => {
    run(["apt-get", "download", "kubernetes-client"], { cwd: folder });
    const [file] = readdirSync(folder).filter((name) => name.endsWith(".deb"));
    if (file === undefined) throw new Error("Cannot unpack kubernetes-client: apt-get left no package");
    run(["dpkg", "-x", file, "."], { cwd: folder });
    rmSync(join(folder, file));
  });
}

/** Makes a folder whole or not at all: two that build at once do not meet, and a killed one leaves nothing that looks finished. */
function inFreshFolder(target: string, fill: (folder: string) => void): void {
  mkdirSync(dirname(target), { recursive: true });
  const folder = mkdtempSync(`${target}.`);
  try {
    fill(folder);
    rmSync(target, { recursive: true, force: true });
    renameSync(folder, target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(
  argv: string[],
  options: { readonly cwd: string; readonly env?: Record<string, string | undefined> },
): void {
  console.error(`+ ${argv.slice(0, 3).join(" ")} …`);
  const { exitCode } = Bun.spawnSync(argv, { ...options, stdout: "inherit", stderr: "inherit" });
  if (exitCode !== 0) throw new Error(`Cannot prepare the peers: ${argv.join(" ")} exited ${exitCode}`);
}
