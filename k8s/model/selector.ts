/** LabelSelector objects, as specs have them. Matching them is the API's label-selector.ts. */

/** Which objects, by their labels; all parts must hold. */
export interface LabelSelectorSpec {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly SelectorExpression[];
}

/** One demand on a label. */
export interface SelectorExpression {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values?: readonly string[];
}
