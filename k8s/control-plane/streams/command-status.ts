/** How a command ended, as a Status that clients take their own exit code from. Pure. */
import type { ExitStatus } from "#host/linux/spawn.ts";

/** What a client is told at the end. */
export interface CommandStatus {
  readonly metadata: Readonly<Record<string, never>>;
  readonly status: "Success" | "Failure";
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly causes: readonly { readonly reason: string; readonly message: string }[] };
  readonly code?: number;
}

/** What shells give a command that ended by a signal. */
const signalBase = 128;

/** Of a command that ran. */
export function exitStatus(exit: ExitStatus): CommandStatus {
  const code = exit.kind === "exited" ? exit.code : signalBase + exit.signal;
  if (code === 0) return { metadata: {}, status: "Success" };
  return {
    metadata: {},
    status: "Failure",
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: String(code) }] },
  };
}

/** Of one that did not run, or of which no more is known. */
export function failureStatus(reason: string): CommandStatus {
  const message = `Internal error occurred: ${reason}`;
  return {
    metadata: {},
    status: "Failure",
    message,
    reason: "InternalError",
    details: { causes: [{ reason: "", message: reason }] },
    code: 500,
  };
}

/** How a protocol's end is told: by a Status, or, before version 4, by text and for a failure only. */
export type EndForm = "status" | "text";

/** The end in a protocol's form. */
export function endText(status: CommandStatus, form: EndForm): string {
  if (form === "status") return JSON.stringify(status);
  return status.status === "Success" ? "" : (status.message ?? "the command failed");
}
