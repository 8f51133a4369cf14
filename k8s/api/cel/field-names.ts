/** Names of fields as expressions write them: what CEL cannot say is escaped as Kubernetes does. */

/** Words of the language that are no names. */
const reserved = new Set([
  "true",
  "false",
  "null",
  "in",
  "as",
  "break",
  "const",
  "continue",
  "else",
  "for",
  "function",
  "if",
  "import",
  "let",
  "loop",
  "package",
  "namespace",
  "return",
  "var",
  "void",
  "while",
]);

const escapes: readonly (readonly [text: string, escaped: string])[] = [
  ["__", "__underscores__"],
  [".", "__dot__"],
  ["-", "__dash__"],
  ["/", "__slash__"],
];

const writable = /^[A-Za-z_][A-Za-z0-9_./-]*$/;

/** A field's name in expressions; undefined: expressions cannot speak of it. */
export function escapeFieldName(name: string): string | undefined {
  if (!writable.test(name)) return undefined;
  if (reserved.has(name)) return `__${name}__`;
  return escapes.reduce((text, [from, to]) => text.replaceAll(from, to), name);
}
