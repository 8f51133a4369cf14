/** The one error class for failures of the world: a code to switch on, a message for people, the cause. */

/** Every way the world fails us. */
export type MeshErrorCode =
  | "bad-input"
  | "not-permitted"
  | "not-found"
  | "already-exists"
  | "conflict"
  | "unavailable"
  | "timeout"
  | "limit-reached"
  | "protocol-violation"
  | "io-failed"
  | "canceled";

/** A failure of the world; switch on `code`, never on the text. */
export class MeshError extends Error {
  override readonly name = "MeshError";
  readonly code: MeshErrorCode;

  constructor(code: MeshErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** The code of a thrown value, when it is one of ours. */
export function meshErrorCode(error: unknown): MeshErrorCode | undefined {
  return error instanceof MeshError ? error.code : undefined;
}

/** The text of anything thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
