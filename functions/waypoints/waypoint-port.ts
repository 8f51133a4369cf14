/** The ports of waking waypoints: a listener that is watched without accepting, and generic waypoint processes. Their kernel's side is tunnel-listener.ts and waypoint-process.ts. */

/** A gateway's tunnel listener. It stays open while waypoints come and go, so connections wait in it instead of failing. */
export interface WatchedListener extends Disposable {
  readonly fd: number;
  /** Calls back once when a connection waits. */
  arm(): void;
  /** Calls nothing back any more until it is armed again. */
  disarm(): void;
  close(): void;
}

/** Opens a listener at `address:15008`. @throws when the address cannot be bound */
export type OpenListener = (address: string, onWaiting: () => void) => WatchedListener;

/** What a generic waypoint becomes. */
export interface WaypointRole {
  readonly namespace: string;
  /** The Gateway's name. */
  readonly name: string;
  readonly address: string;
  /** The listener, by its number in the owner. */
  readonly listenerFd: number;
  readonly ownerPid: number;
}

/** How a waypoint's service ended: it stopped accepting because it was idle, or its process is gone. */
export type WaypointEnd = { readonly kind: "asleep" } | { readonly kind: "gone"; readonly reason: string };

/** One waypoint process that has booted and is nobody's yet. */
export interface WaypointProcess {
  readonly pid: number;
  /** Settles at the first of both; never rejects. */
  readonly ended: Promise<WaypointEnd>;
  /** Gives it its role; settles once it accepts. @throws MeshError */
  specialise(role: WaypointRole): Promise<void>;
  /** Asks it to end, and ends it after a deadline; settles when it is gone. */
  stop(): Promise<void>;
}

/** Starts a waypoint process and waits until it has booted. @throws MeshError */
export type StartWaypoint = () => Promise<WaypointProcess>;
