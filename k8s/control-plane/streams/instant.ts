/** Instants as logs write them. */

/** Nine digits behind the second, of which the clock knows three. */
export function formatInstant(atMs: number): string {
  return `${new Date(Math.floor(atMs)).toISOString().slice(0, -1)}000000Z`;
}
