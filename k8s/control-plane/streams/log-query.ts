/** The query of `pods/log`, read and checked as Kubernetes does. Pure but for the hour it is told. */
import { type FieldFault, forbiddenField, invalidValue } from "../../api/refusal.ts";
import { err, ok, type Result } from "#core/result.ts";

/** What a client wants of a log. */
export interface LogQuery {
  readonly container: string;
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines: number | undefined;
  readonly sinceTimeMs: number | undefined;
  readonly limitBytes: number | undefined;
}

/** Why a query is refused: it cannot be read, or its values do not go together. */
export type LogQueryProblem =
  | { readonly kind: "unreadable"; readonly message: string }
  | { readonly kind: "invalid"; readonly faults: readonly FieldFault[] };

/** Reads the query. */
export function readLogQuery(params: URLSearchParams, nowMs: number): Result<LogQuery, LogQueryProblem> {
  const numbers = readNumbers(params, ["tailLines", "limitBytes", "sinceSeconds"]);
  const sinceTime = params.get("sinceTime") ?? "";
  const sinceTimeMs = sinceTime === "" ? undefined : parseTime(sinceTime);
  const unreadable = numbers.problem ?? (Number.isNaN(sinceTimeMs) ? timeProblem(sinceTime) : undefined);
  if (unreadable !== undefined) return err({ kind: "unreadable", message: unreadable });
  const { tailLines, limitBytes, sinceSeconds } = numbers.values;
  const hasStream = params.has("stream");
  const faults = findFaults({ tailLines, limitBytes, sinceSeconds, sinceTimeMs, hasStream });
  if (faults.length > 0) return err({ kind: "invalid", faults });
  return ok({
    container: params.get("container") ?? "",
    follow: isSet(params, "follow"),
    previous: isSet(params, "previous"),
    timestamps: isSet(params, "timestamps"),
    tailLines,
    sinceTimeMs: sinceSeconds === undefined ? sinceTimeMs : nowMs - sinceSeconds * 1000,
    limitBytes,
  });
}

interface Numbers {
  readonly tailLines: number | undefined;
  readonly limitBytes: number | undefined;
  readonly sinceSeconds: number | undefined;
  readonly sinceTimeMs: number | undefined;
  readonly hasStream: boolean;
}

function findFaults({ tailLines, limitBytes, sinceSeconds, sinceTimeMs, hasStream }: Numbers): FieldFault[] {
  const faults: FieldFault[] = [];
  if (tailLines !== undefined && tailLines < 0)
    faults.push(invalidValue("tailLines", tailLines, "must be greater than or equal to 0"));
  if (limitBytes !== undefined && limitBytes < 1)
    faults.push(invalidValue("limitBytes", limitBytes, "must be greater than 0"));
  if (sinceSeconds !== undefined && sinceTimeMs !== undefined)
    faults.push(forbiddenField("[]", "at most one of `sinceTime` or `sinceSeconds` may be specified"));
  else if (sinceSeconds !== undefined && sinceSeconds < 1)
    faults.push(invalidValue("sinceSeconds", sinceSeconds, "must be greater than 0"));
  // Kubernetes knows it, and has it switched off.
  if (hasStream) faults.push(forbiddenField("stream", "may not be specified"));
  return faults;
}

function readNumbers<Name extends string>(
  params: URLSearchParams,
  names: readonly Name[],
): {
  readonly values: Readonly<Record<Name, number | undefined>>;
  readonly problem: string | undefined;
} {
  const texts = names.map((name) => [name, params.get(name) ?? ""] as const);
  const wrong = texts.find(([, value]) => value !== "" && !/^[-+]?\d{1,15}$/.test(value));
  const read = texts.map(([name, value]) => [name, value === "" ? undefined : Number(value)]);
  return {
    // Sound: it has exactly these names.
    values: Object.fromEntries(read) as Record<Name, number | undefined>,
    problem: wrong && `strconv.ParseInt: parsing ${JSON.stringify(wrong[1])}: invalid syntax`,
  };
}

/** As Kubernetes reads a flag: what is there and not false is true. */
function isSet(params: URLSearchParams, name: string): boolean {
  const value = params.get(name) ?? "";
  return value !== "" && value !== "0" && value.toLowerCase() !== "false";
}

const timeForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[-+]\d\d:\d\d)$/;

function parseTime(text: string): number {
  return timeForm.test(text) ? Date.parse(text) : Number.NaN;
}

const timeParts: readonly [RegExp, string][] = [
  [/^\d{4}/, "2006"],
  [/^-/, "-"],
  [/^\d\d/, "01"],
  [/^-/, "-"],
  [/^\d\d/, "02"],
  [/^T/, "T"],
  [/^\d\d/, "15"],
  [/^:/, ":"],
  [/^\d\d/, "04"],
  [/^:/, ":"],
  [/^\d\d(\.\d+)?/, "05"],
  [/^(Z|[-+]\d\d:\d\d)/, "Z07:00"],
];

/** Names the first part that is not there, as Go does. */
function timeProblem(text: string): string {
  let rest = text;
  const wrong = timeParts.find(([form]) => {
    const found = form.exec(rest)?.[0];
    rest = rest.slice(found?.length ?? 0);
    return found === undefined;
  });
  const why =
    wrong === undefined ? `extra text: ${quote(rest)}` : `cannot parse ${quote(rest)} as ${quote(wrong[1])}`;
  return `parsing time ${quote(text)}${wrong === undefined ? "" : ' as "2006-01-02T15:04:05Z07:00"'}: ${why}`;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
