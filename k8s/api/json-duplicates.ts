/** Fields that a JSON text has twice in one object: JSON.parse takes the last and says nothing. Reads text that is known to be JSON. */

/** Those that are told; a client does not read more. */
const duplicatesMax = 16;

interface Frame {
  /** Keys so far; undefined in an array. */
  readonly keys: Set<string> | undefined;
  /** How the value that is being read is named below its parent. */
  step: string;
  index: number;
}

/** The paths of such fields, `spec.ports[0].name`, in their order. */
export function duplicateFields(text: string): readonly string[] {
  const found: string[] = [];
  const frames: Frame[] = [];
  for (let at = 0; at < text.length && found.length < duplicatesMax; at++) {
    switch (text.charCodeAt(at)) {
      case 0x7b: // {
        frames.push({ keys: new Set(), step: "", index: 0 });
        break;
      case 0x5b: // [
        frames.push({ keys: undefined, step: "[0]", index: 0 });
        break;
      case 0x7d: // }
      case 0x5d: // ]
        frames.pop();
        break;
      case 0x2c: // ,
        nextItem(frames.at(-1));
        break;
      case 0x22: {
        const end = endOfString(text, at);
        if (isKey(text, end)) takeKey(frames, text.slice(at, end), found);
        at = end - 1;
        break;
      }
      default:
        break;
    }
  }
  return found;
}

function nextItem(frame: Frame | undefined): void {
  if (frame === undefined || frame.keys !== undefined) return;
  frame.index++;
  frame.step = `[${frame.index}]`;
}

/** The place after a string that begins at a quote. */
function endOfString(text: string, start: number): number {
  let end = start;
  do end = text.indexOf('"', end + 1);
  while (end > 0 && isEscaped(text, end));
  return end + 1;
}

function isEscaped(text: string, quote: number): boolean {
  let slashes = 0;
  while (text.charCodeAt(quote - 1 - slashes) === 0x5c) slashes++;
  return slashes % 2 === 1;
}

function isKey(text: string, end: number): boolean {
  let at = end;
  while (" \t\n\r".includes(text.charAt(at)) && at < text.length) at++;
  return text.charCodeAt(at) === 0x3a;
}

function takeKey(frames: readonly Frame[], quoted: string, found: string[]): void {
  const frame = frames.at(-1);
  if (frame?.keys === undefined) return;
  const key = JSON.parse(quoted) as string;
  frame.step = `.${key}`;
  if (frame.keys.has(key)) {
    const path = frames.map(({ step }) => step).join("");
    found.push(path.slice(1));
  }
  frame.keys.add(key);
}
