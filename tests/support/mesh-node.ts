/** What a test does inside a mesh that runs: finds its processes, dials in its node's network with a certificate of the mesh's own authority. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { IpAddress } from "#core/address/ip.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { openAuthorityClient } from "#host/certificates/authority-client.ts";
import { createKeyAndCsr } from "#host/certificates/key-and-csr.ts";
import { controlChannelIn } from "#host/discovery/control-channel.ts";
import { type NetworkNamespace, openNetworkNamespace } from "#host/linux/namespaces.ts";
import { startConnect } from "#host/linux/sockets.ts";
import { openTunnel } from "#host/tunnel/open-tunnel.ts";
import type { Tunnel, TunnelCertificate } from "#host/tunnel/tunnel.ts";
import type { Mesh } from "./mesh.ts";

/** A process as the test's own /proc has it. */
export interface FoundProcess {
  readonly pid: number;
  readonly command: string;
}

/** The mesh's processes whose command line holds the text, by our own process numbers. */
export function findProcesses({ runDir }: Mesh, text: string): readonly FoundProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), command: commandOf(name) }))
    .filter(({ command }) => command.includes(text) && command.includes(runDir));
}

/** The network of the mesh's node; to be closed. */
export function openNodeNetwork(mesh: Mesh): NetworkNamespace {
  const [ztunnel] = findProcesses(mesh, "ztunnel/main.ts");
  if (ztunnel === undefined) throw new Error("Cannot open the node's network: no ztunnel runs");
  return openNetworkNamespace(`/proc/${ztunnel.pid}/ns/net`);
}

/** The SPIFFE id of a service account. */
export function spiffeId(namespace: string, account: string): SpiffeId {
  return `spiffe://cluster.local/ns/${namespace}/sa/${account}` as SpiffeId;
}

/** A certificate as the mesh's authority gives it to the program. @throws MeshError when it does not */
export async function mint(mesh: Mesh, program: string, identity: SpiffeId): Promise<TunnelCertificate> {
  const authority = openAuthorityClient({ channel: controlChannelIn(mesh.runDir, program) });
  try {
    const { keyPem, csrPem } = createKeyAndCsr(identity);
    return { identity, keyPem, ...(await authority.sign(identity, csrPem)) };
  } finally {
    authority.close();
  }
}

/** Whom to dial in the node's network, and as whom. */
export interface NodeDial {
  readonly certificate: TunnelCertificate;
  readonly to: string;
  readonly expected: SpiffeId;
  /** One of the node's own addresses. */
  readonly from?: string;
}

/** Opens a tunnel to port 15008 of an address of the node's network. */
export async function dialInNode(mesh: Mesh, network: NetworkNamespace, dial: NodeDial): Promise<Tunnel> {
  // Sound: tests write canonical addresses.
  const ends = {
    to: { address: dial.to as IpAddress, port: 15008 },
    from: { address: (dial.from ?? "10.244.0.1") as IpAddress, port: 0 },
  };
  const fd = startConnect(mesh.host.libc, network.fd, ends, { freeBind: true });
  return openTunnel({
    dial: { kind: "fd", fd },
    certificate: dial.certificate,
    expectedPeers: new Set([dial.expected]),
  });
}

/** The logs of all programs, with the access logs among them. */
export function allLogs({ dataDir }: Mesh): string {
  const folder = join(dataDir, "logs/system");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".log"))
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("\n");
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return ""; // it has ended meanwhile
  }
}
