/** The program's connections to the control plane, opened at boot: a waypoint that takes its role later finds them warm. */
import { type AuthorityClient, openAuthorityClient } from "#host/certificates/authority-client.ts";
import { controlChannelIn } from "#host/discovery/control-channel.ts";
import type { Log } from "#host/log.ts";
import type { Config } from "./config.ts";
import { MeshFollower } from "./follow.ts";

/** The connections. */
export interface Control {
  readonly mesh: MeshFollower;
  /** Undefined where certificates come from files. */
  readonly authority: AuthorityClient | undefined;
  close(): void;
}

/** Opens them; both are tried again until `close`. */
export function openControl(config: Config, log: Log): Control {
  const program = config.role.kind === "edge" ? "edge" : "waypoint";
  const channel = controlChannelIn(config.runDir, program);
  const mesh = new MeshFollower({ channel, nodeId: `${program}~${config.node}~${process.pid}`, log });
  const authority = config.certificatesFolder === "" ? openAuthorityClient({ channel }) : undefined;
  authority?.connect();
  return {
    mesh,
    authority,
    close() {
      mesh.close();
      authority?.close();
    },
  };
}
