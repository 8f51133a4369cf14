/** The numbers of an Indexed Job's Pods: read, gathered as ranges, and which of them lack a Pod. */
import type { JobObject } from "../../model/job.ts";
import type { PodObject } from "../../model/pod.ts";

/** On an Indexed Job's Pods: their number. */
export const indexAnnotation = "batch.kubernetes.io/job-completion-index";

/** Whether each of its Pods has a number. */
export function isIndexed({ spec }: JobObject): boolean {
  return spec.completionMode === "Indexed";
}

/** A Pod's number. */
export function indexOf({ metadata }: PodObject): number | undefined {
  const text = metadata.annotations?.[indexAnnotation] ?? "";
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/** `0-2,5` as numbers. */
export function parseIndexes(text: string): readonly number[] {
  return text.split(",").flatMap((part) => {
    const [first, last = first] = part.split("-").map(Number);
    if (part === "" || first === undefined || last === undefined) return [];
    return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
  });
}

/** Numbers as `0-2,5`. */
export function formatIndexes(indexes: Iterable<number>): string {
  const ranges: [number, number][] = [];
  for (const index of [...indexes].sort((a, b) => a - b)) {
    const range = ranges.at(-1);
    if (range !== undefined && index === range[1] + 1) range[1] = index;
    else ranges.push([index, index]);
  }
  // Kubernetes writes two numbers that follow each other as two.
  return ranges
    .map(([first, last]) =>
      first === last ? `${first}` : last === first + 1 ? `${first},${last}` : `${first}-${last}`,
    )
    .join(",");
}

/** The lowest numbers below `completions` that are neither done nor at work, at most `count`. */
export function freeIndexes(
  completions: number,
  taken: ReadonlySet<number>,
  count: number,
): readonly number[] {
  const free: number[] = [];
  for (let index = 0; index < completions && free.length < count; index++) {
    if (!taken.has(index)) free.push(index);
  }
  return free;
}
