/** Whether a text is one of those a policy names: exact, by prefix, by suffix, or merely present. */
import type { StringMatch } from "#core/proto/istio/authorization_pb.js";
import { err, ok, type Result } from "#core/result.ts";

/** Tells whether any of the patterns holds for the text. */
export type TextTest = (text: string) => boolean;

/** Reads patterns; one of a kind that is not known makes the whole unreadable. */
export function readTextTest(patterns: readonly StringMatch[]): Result<TextTest> {
  const exact = new Set<string>();
  const others: TextTest[] = [];
  for (const { matchType } of patterns) {
    switch (matchType.case) {
      case "exact":
        exact.add(matchType.value);
        break;
      case "prefix":
        others.push((text) => text.startsWith(matchType.value));
        break;
      case "suffix":
        others.push((text) => text.endsWith(matchType.value));
        break;
      case "presence":
        others.push((text) => text !== "");
        break;
      case undefined:
        return err("a text pattern is neither exact, prefix, suffix nor presence");
    }
  }
  if (others.length === 0) return ok((text) => exact.has(text));
  return ok((text) => exact.has(text) || others.some((other) => other(text)));
}
