/** An IPv4 range's addresses by their place in it. */
import { type Cidr, formatIp, type IpAddress, ipBytes } from "./ip.ts";

/** The address that lies so many after the range's own; the caller sees to it that it is in the range. */
export function addressAt(range: Cidr, index: number): IpAddress {
  const bytes = Uint8Array.from(ipBytes(range.address));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, view.getUint32(0) + index);
  return formatIp(bytes);
}
