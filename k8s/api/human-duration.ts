/** How long something lasted, the way Kubernetes' tables say it: `45s`, `3m20s`, `2d4h`. */

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;
const year = 365 * day;

/** From seconds: fine where it is short, coarse where it is long. */
export function humanDuration(seconds: number): string {
  const whole = Math.floor(seconds);
  if (whole < -1) return "<invalid>";
  if (whole < 2 * minute) return `${Math.max(0, whole)}s`;
  if (whole < 10 * minute) return inTwo(whole, [minute, "m"], [1, "s"]);
  if (whole < 3 * hour) return `${Math.floor(whole / minute)}m`;
  if (whole < 8 * hour) return inTwo(whole, [hour, "h"], [minute, "m"]);
  if (whole < 2 * day) return `${Math.floor(whole / hour)}h`;
  if (whole < 8 * day) return inTwo(whole, [day, "d"], [hour, "h"]);
  if (whole < 2 * year) return `${Math.floor(whole / day)}d`;
  if (whole < 8 * year) return inTwo(whole, [year, "y"], [day, "d"]);
  return `${Math.floor(whole / year)}y`;
}

function inTwo(
  seconds: number,
  ...[[large, largeUnit], [small, smallUnit]]: [[number, string], [number, string]]
): string {
  const rest = Math.floor((seconds % large) / small);
  const head = `${Math.floor(seconds / large)}${largeUnit}`;
  return rest === 0 ? head : `${head}${rest}${smallUnit}`;
}
