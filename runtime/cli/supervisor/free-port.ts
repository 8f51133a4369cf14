/** Finds a free TCP port on loopback for a program that is told its port. */

/** A port that was free a moment ago; whoever takes it next may still be somebody else. */
export function findFreePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}
