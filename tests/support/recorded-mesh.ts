/**
 * The control plane of a mesh that runs, replaced: what its discovery serves is recorded, the plane is stopped, and a recorded discovery
 * and authority take its socket. ztunnel, edge and waypoints are killed, so that each starts again by its own main.ts and meets only them.
 */
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { type Authorization, AuthorizationSchema } from "#core/proto/istio/authorization_pb.js";
import { type Address, AddressSchema } from "#core/proto/istio/workload_pb.js";
import {
  type RevisionTemplate,
  RevisionTemplateSchema,
  type Waypoint,
  WaypointSchema,
} from "#core/proto/lambient/discovery_pb.js";
import { controlChannelIn } from "#host/discovery/control-channel.ts";
import { openDiscovery } from "#host/discovery/open-discovery.ts";
import { type WatchedType, watchType } from "#host/discovery/watched-type.ts";
import { ResourceSet } from "../../k8s/control-plane/discovery/resource-set.ts";
import { type GrpcService, makeAdsService } from "../../k8s/control-plane/discovery/serve-ads.ts";
import { serveGrpc } from "../../k8s/control-plane/grpc-server.ts";
import type { Mesh } from "./mesh.ts";
import { findProcesses } from "./mesh-node.ts";
import { type AuthorityBehaviour, recordedAuthority } from "./recorded-authority.ts";
import { makeTestCa } from "./test-ca.ts";
import { waitUntil } from "./wait-until.ts";

/** Everything that discovery serves, by name. */
export interface Recording {
  readonly addresses: ReadonlyMap<string, Address>;
  readonly policies: ReadonlyMap<string, Authorization>;
  readonly templates: ReadonlyMap<string, RevisionTemplate>;
  readonly waypoints: ReadonlyMap<string, Waypoint>;
}

/** What replaces the control plane. */
export interface RecordedMesh {
  readonly recording: Recording;
  /** What waypoints are served, apart from what ztunnel and the edge are. */
  readonly forWaypoints: ResourceSet;
  readonly forOthers: ResourceSet;
  readonly authority: AuthorityBehaviour;
  /** Programs that have opened a stream, each time. */
  readonly followers: readonly string[];
  /** Lets the control plane go on; its socket stays the recorded one's until then. */
  close(): void;
}

/** Replaces it. */
export async function replaceControlPlane(mesh: Mesh): Promise<RecordedMesh> {
  const recording = await record(mesh);
  const [plane] = findProcesses(mesh, "k8s/control-plane/main.ts");
  if (plane === undefined) throw new Error("Cannot replace the control plane: none runs");
  const socketPath = join(mesh.runDir, "control.sock");
  renameSync(socketPath, `${socketPath}.real`);
  const ca = makeTestCa({
    keyPem: readFileSync(join(mesh.dataDir, "authority/root-key.pem"), "utf8"),
    certificatePem: readFileSync(join(mesh.dataDir, "authority/root.pem"), "utf8"),
  });
  const authority: AuthorityBehaviour = { signed: [] };
  const followers: string[] = [];
  const [forWaypoints, forOthers] = [fill(recording), fill(recording)];
  const ads = adsByProgram(mesh, { forWaypoints, forOthers, followers });
  const server = await serveGrpc({
    socketPath,
    ...ca.issueServer(["lambient.local"]),
    services: [ads, recordedAuthority(ca, authority)],
  });
  process.kill(plane.pid, "SIGSTOP");
  const old = ["ztunnel/main.ts", "waypoint/main.ts"].flatMap((entry) => findProcesses(mesh, entry));
  for (const { pid } of old) process.kill(pid, "SIGKILL");
  return {
    recording,
    forWaypoints,
    forOthers,
    authority,
    followers,
    close() {
      server.close();
      renameSync(`${socketPath}.real`, socketPath);
      process.kill(plane.pid, "SIGCONT");
    },
  };
}

/** Everything, as the programs that may see it are told. */
async function record(mesh: Mesh): Promise<Recording> {
  const recording = {
    addresses: new Map<string, Address>(),
    policies: new Map<string, Authorization>(),
    templates: new Map<string, RevisionTemplate>(),
    waypoints: new Map<string, Waypoint>(),
  };
  const { addresses, policies, templates, waypoints } = recording;
  const followed: [program: string, types: readonly WatchedType[]][] = [
    [
      "ztunnel",
      [
        keep(AddressSchema, addresses),
        keep(AuthorizationSchema, policies),
        keep(RevisionTemplateSchema, templates),
      ],
    ],
    ["waypoint", [keep(WaypointSchema, waypoints)]],
  ];
  for (const [program, types] of followed) {
    const discovery = openDiscovery({
      channel: controlChannelIn(mesh.runDir, program),
      nodeId: "recorder",
      types,
    });
    await waitUntil(`everything for ${program} is recorded`, () => discovery.isSynced);
    discovery.close();
  }
  return recording;
}

function keep<Desc extends DescMessage>(schema: Desc, into: Map<string, MessageShape<Desc>>): WatchedType {
  return watchType(schema, {
    onUpdate(changed, removed) {
      for (const { name, message } of changed) into.set(name, message);
      for (const name of removed) into.delete(name);
    },
  });
}

function fill({ addresses, policies, templates, waypoints }: Recording): ResourceSet {
  const resources = new ResourceSet();
  resources.replace(AuthorizationSchema, policies);
  resources.replace(AddressSchema, addresses);
  resources.replace(RevisionTemplateSchema, templates);
  resources.replace(WaypointSchema, waypoints);
  return resources;
}

/** One service to look at, two behind it: which one serves a stream is decided by its token. */
function adsByProgram(
  { runDir }: Mesh,
  parts: Pick<RecordedMesh, "forWaypoints" | "forOthers"> & { readonly followers: string[] },
): GrpcService {
  const tokens = new Map(
    ["ztunnel", "waypoint", "edge"].map((program) => [
      `Bearer ${readFileSync(join(runDir, "tokens", program), "utf8").trim()}`,
      program,
    ]),
  );
  const serviceOf = (resources: ResourceSet): GrpcService =>
    makeAdsService({
      resources,
      authenticate: (authorization) => Promise.resolve(tokens.get(authorization ?? "")),
      mayFollow: () => true,
    });
  const [waypoints, others] = [serviceOf(parts.forWaypoints), serviceOf(parts.forOthers)];
  type Serve = (call: { readonly metadata: { get(name: string): unknown[] } }) => void;
  return {
    definition: waypoints.definition,
    implementation: {
      DeltaAggregatedResources(call: Parameters<Serve>[0]): void {
        const program = tokens.get(String(call.metadata.get("authorization")[0])) ?? "nobody";
        parts.followers.push(program);
        const { implementation } = program === "waypoint" ? waypoints : others;
        // Sound: it is the service's only method, and takes such a call.
        (implementation["DeltaAggregatedResources"] as Serve)(call);
      },
    },
  };
}
