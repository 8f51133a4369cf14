/** Reads changes of labels as `kubectl label` takes them: `key=value` and `key-`. Pure. */
import { MeshError } from "#host/mesh-error.ts";

/** One label that is set, or removed. */
export interface LabelChange {
  readonly key: string;
  /** Undefined removes it. */
  readonly value: string | undefined;
}

const name = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const subdomain = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Reads them. @throws MeshError `bad-input` naming the first that is none, or that is there twice */
export function parseLabelChanges(texts: readonly string[]): readonly LabelChange[] {
  const changes = texts.map(parseChange);
  const keys = changes.map(({ key }) => key);
  const twice = keys.find((key, index) => keys.indexOf(key) !== index);
  if (twice !== undefined)
    throw new MeshError("bad-input", `Cannot change the label "${twice}" twice at once`);
  return changes;
}

function parseChange(text: string): LabelChange {
  const at = text.indexOf("=");
  if (at < 0 && !text.endsWith("-")) {
    throw new MeshError(
      "bad-input",
      `Cannot read "${text}" as a label: wanted key=value, or key- to remove it`,
    );
  }
  const key = at < 0 ? text.slice(0, -1) : text.slice(0, at);
  const value = at < 0 ? undefined : text.slice(at + 1);
  if (!isKey(key)) {
    throw new MeshError(
      "bad-input",
      `Cannot read "${key}" as a label's key: wanted letters, digits, "-", "_", "." (63 at most), after an optional domain and "/"`,
    );
  }
  if (value !== undefined && value !== "" && !name.test(value)) {
    throw new MeshError(
      "bad-input",
      `Cannot read "${value}" as the value of the label "${key}": wanted letters, digits, "-", "_", "." (63 at most)`,
    );
  }
  return { key, value };
}

function isKey(key: string): boolean {
  const parts = key.split("/");
  const last = parts.pop() ?? "";
  return name.test(last) && parts.length <= 1 && parts.every((part) => subdomain.test(part));
}
