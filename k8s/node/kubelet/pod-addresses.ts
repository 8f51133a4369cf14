/** Which address of a range is a Pod's: given out in a circle, so that one that was given back rests as long as possible. */
import { type Cidr, formatIp, type IpAddress, ipBytes } from "#core/address/ip.ts";
import { MeshError } from "#host/mesh-error.ts";

/** See the file's opening. */
export class PodAddresses {
  readonly #first: number;
  readonly #count: number;
  readonly #taken = new Set<number>();
  #next = 0;

  /** @param range its last address is nobody's: it looks like a broadcast */
  constructor({ address, prefixBits }: Cidr) {
    this.#first = numberOf(address);
    this.#count = 2 ** (32 - prefixBits) - 1;
  }

  /** Gives out one. @throws MeshError `limit-reached` when all are taken */
  take(): IpAddress {
    for (let tried = 0; tried < this.#count; tried++) {
      const index = this.#next;
      this.#next = (this.#next + 1) % this.#count;
      if (this.#taken.has(index)) continue;
      this.#taken.add(index);
      return formatIp(bytesOf(this.#first + index));
    }
    throw new MeshError(
      "limit-reached",
      `Cannot give a Pod an address: all ${this.#count} of the node are taken`,
    );
  }

  /** Marks one as taken already. */
  keep(address: IpAddress): void {
    this.#taken.add(numberOf(address) - this.#first);
  }

  /** Gives it back. */
  release(address: IpAddress): void {
    this.#taken.delete(numberOf(address) - this.#first);
  }
}

function numberOf(address: IpAddress): number {
  const bytes = ipBytes(address);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
}

function bytesOf(number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}
