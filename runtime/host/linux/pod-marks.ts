/** The packet marks and tables of a captured Pod: what ztunnel sets on its sockets in the Pod's namespace, and what the node's rules there read. */

/** The bits that rules compare. */
export const podMarkMask = 0xfff;

/** Marks of sockets in a captured Pod's network namespace. */
export const podMarks = {
  /** ztunnel's listeners and its connections to the outside: they leave by the ordinary table. */
  proxy: 0x539,
  /**
   * ztunnel's connections to the Pod itself, which bear their caller's address. The Pod's accepted sockets inherit it
   * (`tcp_fwmark_accept`), so that their answers find ztunnel for as long as the connection lives, also once the Pod has left the mesh.
   */
  looped: 0x111,
  /** The Pod's own connections from before it was captured: they go on as they began. */
  kept: 0x53a,
} as const;

/** Port numbers that ztunnel has in a Pod by name; the capture finds its listeners in the map, wherever they are bound. */
export const podListeners = { outbound: 0, inbound: 1, tunnels: 2 } as const;
