/** A terminal's size as clients send it. */
import type { TerminalSize } from "../../node/kubelet/container-access.ts";
import { parseSize } from "../../node/streams/stream-request.ts";

/** Reads `{"Width":80,"Height":24}`; undefined for anything else. */
export function parseSizeText(text: string): TerminalSize | undefined {
  try {
    return parseSize(JSON.parse(text));
  } catch {
    return undefined;
  }
}
