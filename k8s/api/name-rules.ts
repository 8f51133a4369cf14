/** What is a name, a qualified name, a label's value; and what a Kubernetes API server says of what is none. */
import type { KindDefinition } from "./kind.ts";

const alphanumeric = "must start and end with an alphanumeric character";
const labelForm = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const partForm = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const partExamples = `(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${partForm}')`;
const part = `must consist of alphanumeric characters, '-', '_' or '.', and ${alphanumeric} ${partExamples}`;

const texts = {
  subdomain: `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and ${alphanumeric} (e.g. 'example.com', regex used for validation is '${labelForm}(\\.${labelForm})*')`,
  label: `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and ${alphanumeric} (e.g. 'my-name',  or '123-abc', regex used for validation is '${labelForm}')`,
  dots: "must not contain dots",
  key: `a valid label key ${part} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
  value: `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and ${alphanumeric} (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(${partForm})?')`,
} as const;

const subdomain = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const label = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const partPattern = /^(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;

const subdomainMax = 253;
const labelMax = 63;

/** What is wrong with an object's name; nothing when it is one. */
export function nameFaultTexts(form: KindDefinition["nameForm"], name: string): readonly string[] {
  switch (form) {
    case "subdomain":
      return [
        ...(name.length > subdomainMax ? [`must be no more than ${subdomainMax} characters`] : []),
        ...(subdomain.test(name) ? [] : [texts.subdomain]),
      ];
    case "label":
      return labelFaultTexts(name);
    case "path-segment":
      if (name === "." || name === "..") return [`may not be '${name}'`];
      return ["/", "%"]
        .filter((character) => name.includes(character))
        .map((found) => `may not contain '${found}'`);
  }
}

function labelFaultTexts(name: string): readonly string[] {
  const long = name.length > labelMax ? [`must be no more than ${labelMax} characters`] : [];
  if (label.test(name)) return long;
  return [...long, name.includes(".") && subdomain.test(name) ? texts.dots : texts.label];
}

/** What is wrong with the name of a label, an annotation or a finalizer. */
export function keyFaultTexts(key: string): readonly string[] {
  const parts = key.split("/");
  if (parts.length > 2) return [texts.key];
  const name = parts.at(-1) ?? "";
  return [
    ...(parts.length === 2 ? prefixFaultTexts(parts[0] ?? "") : []),
    ...(name === "" ? ["name part must be non-empty"] : []),
    ...(name.length > labelMax ? [`name part must be no more than ${labelMax} bytes`] : []),
    ...(partPattern.test(name) ? [] : [`name part ${part}`]),
  ];
}

function prefixFaultTexts(prefix: string): readonly string[] {
  if (prefix === "") return ["prefix part must be non-empty"];
  if (prefix.length > subdomainMax) return [`prefix part must be no more than ${subdomainMax} bytes`];
  return subdomain.test(prefix) ? [] : [`prefix part ${texts.subdomain}`];
}

/** What is wrong with a label's value. */
export function labelValueFaultTexts(value: string): readonly string[] {
  return [
    ...(value.length > labelMax ? [`must be no more than ${labelMax} bytes`] : []),
    ...(value === "" || partPattern.test(value) ? [] : [texts.value]),
  ];
}
