/** A refusal by the Kubernetes API as an error: the Status it answered with, and our code for it. */
import { MeshError, type MeshErrorCode } from "#host/mesh-error.ts";
import type { Status } from "./object.ts";

/** What the API refused; `status` is its answer in full. */
export class KubeError extends MeshError {
  readonly status: Status;

  constructor(status: Status) {
    super(
      codeOf(status),
      status.message ?? status.reason ?? "Cannot use the Kubernetes API: no reason given",
    );
    this.status = status;
  }

  /** HTTP status of the answer. */
  get httpStatus(): number {
    return this.status.code ?? 500;
  }

  /** Machine-readable reason, `NotFound`. */
  get reason(): string {
    return this.status.reason ?? "";
  }
}

/** Whether a thrown value says that the object (or its kind) is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof KubeError && error.httpStatus === 404;
}

/** Whether a thrown value says that somebody else wrote first. */
export function isConflict(error: unknown): boolean {
  return error instanceof KubeError && error.reason === "Conflict";
}

/** Whether a thrown value says that the object is there already. */
export function isAlreadyExists(error: unknown): boolean {
  return error instanceof KubeError && error.reason === "AlreadyExists";
}

/** Whether a thrown value says that the history asked for is no longer kept: list again. */
export function isExpired(error: unknown): boolean {
  return error instanceof KubeError && error.httpStatus === 410;
}

const codeByHttpStatus: Readonly<Record<number, MeshErrorCode>> = {
  401: "not-permitted",
  403: "not-permitted",
  404: "not-found",
  405: "bad-input",
  409: "conflict",
  410: "unavailable",
  413: "limit-reached",
  429: "limit-reached",
  503: "unavailable",
  504: "timeout",
  507: "io-failed",
};

function codeOf(status: Status): MeshErrorCode {
  if (status.reason === "AlreadyExists") return "already-exists";
  const code = status.code ?? 500;
  return codeByHttpStatus[code] ?? (code >= 500 ? "io-failed" : "bad-input");
}
