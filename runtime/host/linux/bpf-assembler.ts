/** Writes eBPF programs: instructions with labels (RFC 9669), as bytes; it loads nothing. */

/** A register: r0 the result, r1–r5 arguments, r6–r9 kept across calls, r10 the frame. */
export type Register = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10;

/** Comparisons of a jump. */
export type Comparison = "==" | "!=" | ">" | ">=" | "<" | "<=";

interface Jump {
  readonly at: number;
  readonly label: string;
}

const comparisons: Readonly<Record<Comparison, number>> = {
  "==": 0x10,
  ">": 0x20,
  ">=": 0x30,
  "!=": 0x50,
  "<": 0xa0,
  "<=": 0xb0,
};

/** Collects instructions; `assemble` resolves the labels. */
export class BpfAssembler {
  readonly #instructions: Buffer[] = [];
  readonly #labels = new Map<string, number>();
  readonly #jumps: Jump[] = [];

  /** Names the next instruction. */
  label(name: string): this {
    this.#labels.set(name, this.#instructions.length);
    return this;
  }

  /** Copies a register. */
  move(to: Register, from: Register): this {
    return this.#add(0xbf, { to, from });
  }

  /** Sets a register to a number that fits 32 signed bits. */
  set(to: Register, value: number): this {
    return this.#add(0xb7, { to, value });
  }

  /** Sets a register to an unsigned 32-bit number, without sign extension. */
  setUnsigned(to: Register, value: number): this {
    return this.#add(0x18, { to, value }).#add(0, {});
  }

  /** Sets a register to a map. */
  setMap(to: Register, mapFd: number): this {
    return this.#add(0x18, { to, from: 1, value: mapFd }).#add(0, {});
  }

  /** Adds a number. */
  add(to: Register, value: number): this {
    return this.#add(0x07, { to, value });
  }

  /** Keeps the bits of a mask. */
  and(to: Register, value: number): this {
    return this.#add(0x57, { to, value });
  }

  /** Reads 32 bits at `base + offset`. */
  load32(to: Register, base: Register, offset: number): this {
    return this.#add(0x61, { to, from: base, offset });
  }

  /** Writes a number as 32 bits at `base + offset`. */
  store32(base: Register, offset: number, value: number): this {
    return this.#add(0x62, { to: base, offset, value });
  }

  /** Writes a register's low 32 bits at `base + offset`. */
  storeRegister32(base: Register, offset: number, from: Register): this {
    return this.#add(0x63, { to: base, from, offset });
  }

  /** Writes a register at `base + offset`. */
  storeRegister64(base: Register, offset: number, from: Register): this {
    return this.#add(0x7b, { to: base, from, offset });
  }

  /** Leaves the rest of a division by another register, as unsigned numbers; by zero it leaves the number. */
  remainder(to: Register, by: Register): this {
    return this.#add(0x9f, { to, from: by });
  }

  /** Calls a kernel helper by its number. */
  call(helper: number): this {
    return this.#add(0x85, { value: helper });
  }

  /** Goes on at a label. */
  jump(label: string): this {
    this.#jumps.push({ at: this.#instructions.length, label });
    return this.#add(0x05, {});
  }

  /** Goes on at a label when the register compares so with a number, as 64 unsigned bits. */
  jumpIf(left: Register, comparison: Comparison, value: number, label: string): this {
    this.#jumps.push({ at: this.#instructions.length, label });
    return this.#add(0x05 | comparisons[comparison], { to: left, value });
  }

  /** The same with another register. */
  jumpIfRegister(left: Register, comparison: Comparison, right: Register, label: string): this {
    this.#jumps.push({ at: this.#instructions.length, label });
    return this.#add(0x0d | comparisons[comparison], { to: left, from: right });
  }

  /** Ends the program with r0. */
  exit(): this {
    return this.#add(0x95, {});
  }

  /** The program. @throws Error for a label that nothing bears. */
  assemble(): Buffer {
    for (const { at, label } of this.#jumps) {
      const target = this.#labels.get(label);
      if (target === undefined) throw new Error(`Cannot assemble a jump to "${label}": no such label`);
      this.#instructions[at]?.writeInt16LE(target - at - 1, 2);
    }
    return Buffer.concat(this.#instructions);
  }

  #add(
    code: number,
    parts: {
      readonly to?: Register;
      readonly from?: Register | 1;
      readonly offset?: number;
      readonly value?: number;
    },
  ): this {
    const bytes = Buffer.alloc(8);
    bytes[0] = code;
    bytes[1] = ((parts.from ?? 0) << 4) | (parts.to ?? 0);
    bytes.writeInt16LE(parts.offset ?? 0, 2);
    bytes.writeInt32LE((parts.value ?? 0) | 0, 4);
    this.#instructions.push(bytes);
    return this;
  }
}
