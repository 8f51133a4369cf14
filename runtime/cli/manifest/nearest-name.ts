/** Finds the known name that somebody most likely meant by an unknown one. */

/** The closest of the known names within two edits or a third of the name's length, if any. */
export function findNearestName(wanted: string, known: readonly string[]): string | undefined {
  const mostEdits = Math.max(2, Math.floor(wanted.length / 3));
  let best: { readonly name: string; readonly edits: number } | undefined;
  for (const name of known) {
    const edits = countEdits(wanted.toLowerCase(), name.toLowerCase());
    if (edits <= mostEdits && edits < name.length && (best === undefined || edits < best.edits))
      best = { name, edits };
  }
  return best?.name;
}

/** ` (did you mean "x"?)`, or nothing. */
export function hintNearestName(wanted: string, known: readonly string[]): string {
  const name = findNearestName(wanted, known);
  return name === undefined ? "" : ` (did you mean "${name}"?)`;
}

/** Insertions, deletions, replacements and swaps of neighbours between two words. */
function countEdits(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      const edits = [
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + same,
        isSwap(a, b, row, column) ? at(beforeLast, column - 2) + 1 : Infinity,
      ];
      current.push(Math.min(...edits));
    }
    beforeLast = last;
    last = current;
  }
  return at(last, b.length);
}

function isSwap(...[a, b, row, column]: [string, string, number, number]): boolean {
  return row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Infinity;
}
