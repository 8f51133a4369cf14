/** A write by its user: what it may not grant, and who else has a say, before it is done. */
import type { User } from "../api.ts";
import type { ApiContext } from "../api-context.ts";
import { checkMay } from "../authorization/check-may.ts";
import { checkEscalation } from "../authorization/escalation.ts";
import type { Target, WriteChange, WriteSteps } from "../write-context.ts";

/** A write of one object that somebody asks for. */
export interface AskedWrite {
  readonly user: User;
  readonly target: Target;
  /** Empty for a creation that leaves its name to us. */
  readonly name: string;
  readonly subresource: string;
  readonly verb: "create" | "update" | "patch" | "delete";
  readonly isDryRun: boolean;
}

/** How a write is to be run: with whose say, and whether it is kept. */
export interface WriteRun {
  readonly steps: WriteSteps;
  readonly dryRun: boolean;
}

/**
 * Runs a write with everybody's say.
 * @throws KubeError with the reason.
 */
export async function admit<Value>(
  context: ApiContext,
  asked: AskedWrite,
  run: (given: WriteRun) => Value,
): Promise<Value> {
  const confirm = (change: WriteChange): void => checkUser(context, asked, change);
  return run({ steps: { confirm }, dryRun: asked.isDryRun });
}

function checkUser(context: ApiContext, asked: AskedWrite, change: WriteChange): void {
  const { authorizer } = context;
  const { user, verb, target } = asked;
  if (verb === "delete") return;
  // To apply what is not there is to create it.
  if (verb === "patch" && change.old === undefined) {
    const { group, resource } = target.kind;
    const { namespace } = target;
    const where = { namespace, name: asked.name, subresource: asked.subresource };
    checkMay(authorizer, user, { kind: "resource", verb: "create", group, resource, ...where });
  }
  checkEscalation(authorizer, user, change);
}
