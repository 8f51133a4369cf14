/** The `lambient-caller` field: whom a waypoint speaks for; who may say so is decided by whoever reads it. */
import { type IpAddress, parseIp } from "#core/address/ip.ts";
import { parseSpiffeId, type SpiffeId } from "#core/identity/spiffe-id.ts";
import { err, ok, type Result } from "#core/result.ts";

/** The field's name. */
export const originalCallerField = "lambient-caller";

/** The caller before the waypoint. */
export interface OriginalCaller {
  readonly identity: SpiffeId;
  readonly address: IpAddress;
}

/** Formats the one value: `<spiffe id>;<ip address>`. */
export function formatOriginalCaller(caller: OriginalCaller): string {
  return `${caller.identity};${caller.address}`;
}

/** Parses all values of the field: undefined when there is none, an error when there are two or it is malformed. */
export function parseOriginalCaller(values: readonly string[]): Result<OriginalCaller | undefined> {
  const [value, second] = values;
  if (value === undefined) return ok(undefined);
  if (second !== undefined)
    return err(`Cannot read ${originalCallerField} as one value: there are ${values.length}`);
  const [id = "", ip = "", ...rest] = value.length <= 1100 ? value.split(";") : [];
  const identity = parseSpiffeId(id);
  const address = parseIp(ip);
  if (identity.ok && address.ok && rest.length === 0 && address.value === ip) {
    return ok({ identity: identity.value, address: address.value });
  }
  return err(`Cannot read ${originalCallerField} as <spiffe id>;<ip address>: "${value.slice(0, 200)}"`);
}
