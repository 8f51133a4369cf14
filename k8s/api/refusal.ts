/** Every refusal of the API as a KubeError with Kubernetes' own reason, code and wording, so that its clients understand. */
import { KubeError } from "#host/kube/kube-error.ts";
import type { Status, StatusCause } from "#host/kube/object.ts";

/** What a refusal is about. */
export interface Subject {
  readonly group: string;
  /** Plural; Kubernetes names it in `details.kind`. */
  readonly resource: string;
}

/** One wrong field, in the words of Kubernetes' field errors. */
export interface FieldFault {
  readonly reason:
    | "FieldValueRequired"
    | "FieldValueInvalid"
    | "FieldValueDuplicate"
    | "FieldValueNotSupported"
    | "FieldValueForbidden"
    | "FieldValueNotFound"
    | "FieldValueTooMany"
    | "FieldValueTooLong"
    | "FieldValueTypeInvalid";
  readonly field: string;
  readonly message: string;
}

/** `spec.x: Invalid value: "y": why`. */
export function invalidValue(field: string, value: unknown, why: string): FieldFault {
  return {
    reason: "FieldValueInvalid",
    field,
    message: `Invalid value: ${JSON.stringify(value) ?? "null"}: ${why}`,
  };
}

/** `spec.x: Required value: why`. */
export function requiredValue(field: string, why = ""): FieldFault {
  return { reason: "FieldValueRequired", field, message: `Required value${why === "" ? "" : `: ${why}`}` };
}

/** `spec.x: Unsupported value: "y": supported values: …`. */
export function unsupportedValue(field: string, value: unknown, supported: readonly string[]): FieldFault {
  const choices = supported.map((choice) => JSON.stringify(choice)).join(", ");
  return {
    reason: "FieldValueNotSupported",
    field,
    message: `Unsupported value: ${JSON.stringify(value) ?? "null"}: supported values: ${choices}`,
  };
}

/** `spec.x: Duplicate value: "y"`. */
export function duplicateValue(field: string, value: unknown): FieldFault {
  return {
    reason: "FieldValueDuplicate",
    field,
    message: `Duplicate value: ${JSON.stringify(value) ?? "null"}`,
  };
}

/** `spec.x: Forbidden: why`. */
export function forbiddenField(field: string, why: string): FieldFault {
  return { reason: "FieldValueForbidden", field, message: `Forbidden: ${why}` };
}

/** `functions.lambient.dev`, as messages name a resource. */
export function subjectText(subject: Subject): string {
  return subject.group === "" ? subject.resource : `${subject.resource}.${subject.group}`;
}

/** 404 for an object. */
export function notFound(subject: Subject, name: string): KubeError {
  return failure(404, "NotFound", `${subjectText(subject)} "${name}" not found`, about(subject, name));
}

/** 404 for a path nobody serves. */
export function noSuchPath(): KubeError {
  return failure(404, "NotFound", "the server could not find the requested resource", {});
}

/** 409 for a name that is taken. */
export function alreadyExists(subject: Subject, name: string): KubeError {
  return failure(
    409,
    "AlreadyExists",
    `${subjectText(subject)} "${name}" already exists`,
    about(subject, name),
  );
}

/** 409 for a write against another version. */
export function conflict(subject: Subject, name: string, why: string): KubeError {
  const message = `Operation cannot be fulfilled on ${subjectText(subject)} "${name}": ${why}`;
  return failure(409, "Conflict", message, about(subject, name));
}

/** What Kubernetes says when somebody else wrote first. */
export const modifiedMeanwhile =
  "the object has been modified; please apply your changes to the latest version and try again";

/** 422 for an object whose fields are wrong. */
export function invalid(
  subject: { readonly group: string; readonly kind: string },
  name: string,
  faults: readonly FieldFault[],
): KubeError {
  const kind = subject.group === "" ? subject.kind : `${subject.kind}.${subject.group}`;
  const lines = faults.map((fault) => `${fault.field}: ${fault.message}`);
  const text = lines.length === 1 ? (lines[0] ?? "") : `[${lines.join(", ")}]`;
  const causes: StatusCause[] = faults.map(({ reason, field, message }) => ({ reason, message, field }));
  return failure(422, "Invalid", `${kind} "${name}" is invalid: ${text}`, {
    ...(name === "" ? {} : { name }),
    ...(subject.group === "" ? {} : { group: subject.group }),
    kind: subject.kind,
    causes,
  });
}

/** 400 for a request that cannot be read. */
export function badRequest(message: string): KubeError {
  return failure(400, "BadRequest", message, undefined);
}

/** 400 for a body that is no object of the kind. */
export function unrecognized(kind: string, why: string): KubeError {
  return badRequest(
    `the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; json parse error: ${why}`,
  );
}

/** 422 for a patch that does not fit its object. */
export function patchRefused(why: string): KubeError {
  const message = `the server rejected our request due to an error in our request: ${why}`;
  return failure(422, "Invalid", message, {});
}

/** 422 for a patch whose outcome is no object of the kind. */
export function patchedInvalid(patched: unknown, why: string): KubeError {
  const text = JSON.stringify(patched);
  const shown = text.length > shownMax ? `${text.slice(0, shownMax)}…` : text;
  const fault = invalidValue("patch", shown, why);
  const message = ` "" is invalid: patch: ${fault.message}`;
  return failure(422, "Invalid", message, { causes: [fault] });
}

/** Characters of an object that a message repeats. */
const shownMax = 2048;

/** 409 for an apply of fields that others own at other values. */
export function applyConflict(message: string, causes: readonly StatusCause[]): KubeError {
  return failure(409, "Conflict", message, { causes });
}

/** 500 without a reason, where Kubernetes gives none. */
export function unexplained(message: string): KubeError {
  return failure(500, undefined, message, undefined);
}

/** 401 for nobody. */
export function unauthorized(): KubeError {
  return failure(401, "Unauthorized", "Unauthorized", undefined);
}

/** 403 with the reason. */
export function forbidden(
  subject: Subject,
  name: string,
  why: string,
  causes?: readonly StatusCause[],
): KubeError {
  const object = name === "" ? subjectText(subject) : `${subjectText(subject)} "${name}"`;
  const details = { ...about(subject, name), ...(causes === undefined ? {} : { causes }) };
  return failure(403, "Forbidden", `${object} is forbidden: ${why}`, details);
}

/** 403 for a path. */
export function forbiddenPath(why: string): KubeError {
  return failure(403, "Forbidden", `forbidden: ${why}`, {});
}

/** 405 for a verb the resource does not have. */
export function methodNotAllowed(subject: Subject): KubeError {
  const message = `the server does not allow this method on the requested resource ${subjectText(subject)}`;
  return failure(405, "MethodNotAllowed", message, { group: subject.group, kind: subject.resource });
}

/** 406 for an answer the client cannot read. */
export function notAcceptable(
  message = "only the following media types are accepted: application/json",
): KubeError {
  return failure(406, "NotAcceptable", message, {});
}

/** 410 for history that is no longer kept. */
export function expired(wanted: number, oldest: number): KubeError {
  return failure(410, "Expired", `too old resource version: ${wanted} (${oldest})`, undefined);
}

/** 410 for the next page of a list that is too old. */
export function continueExpired(): KubeError {
  const message =
    "The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.";
  return failure(410, "Expired", message, undefined);
}

/** 413 for a body above the limit. */
export function tooLarge(bytesMax: number): KubeError {
  const message = `Request entity too large: limit is ${bytesMax}`;
  return failure(413, "RequestEntityTooLarge", message, undefined);
}

/** 415 for a body of a type that is not read. */
export function unsupportedMediaType(wanted: readonly string[]): KubeError {
  const message = `the body of the request was in an unknown format - accepted media types include: ${wanted.join(", ")}`;
  return failure(415, "UnsupportedMediaType", message, undefined);
}

/** 504 for a version that does not exist yet. */
export function tooNew(wanted: number, current: number): KubeError {
  const message = `Timeout: Too large resource version: ${wanted}, current: ${current}`;
  return failure(504, "Timeout", message, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });
}

/** 507 when the disk is full. */
export function storageFull(file: string): KubeError {
  const message = `Cannot write to the store as asked: no space is left on the file system of "${file}"; the state before the write still serves; free some space and try again`;
  return failure(507, "InsufficientStorage", message, { retryAfterSeconds: 5 });
}

/** 500 when the store or we ourselves fail. */
export function internal(message: string): KubeError {
  return failure(500, "InternalError", `Internal error occurred: ${message}`, undefined);
}

/** 500 for what others failed at, with the cause. */
export function internalCause(message: string): KubeError {
  const details = { causes: [{ message }] };
  return failure(500, "InternalError", `Internal error occurred: ${message}`, details);
}

/** Done, with nothing else to return. */
export function success(details: NonNullable<Status["details"]>): Status {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details };
}

function about(subject: Subject, name: string): NonNullable<Status["details"]> {
  return {
    ...(name === "" ? {} : { name }),
    ...(subject.group === "" ? {} : { group: subject.group }),
    kind: subject.resource,
  };
}

function failure(
  code: number,
  reason: string | undefined,
  message: string,
  details: Status["details"],
): KubeError {
  return new KubeError({
    apiVersion: "v1",
    kind: "Status",
    metadata: {},
    status: "Failure",
    message,
    ...(reason === undefined ? {} : { reason }),
    ...(details === undefined ? {} : { details }),
    code,
  });
}
