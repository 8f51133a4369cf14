/** Tells of a regular expression why matching it could take exponential time. It compiles nothing, and polynomial cost it lets pass. */

/**
 * Ways in which the choices of an expression that have a bound may combine; each is tried when a text does not match.
 * Four optional parts of a version and a few bounded counts stay far below it.
 */
const waysMax = 4096;

/** A bounded count with more choices than this is as good as an unbounded one. */
const spanMax = 64;

/** What a part of an expression costs. */
interface Part {
  /** In how many ways it may match one text, those of its unbounded repetitions not counted. */
  readonly ways: number;
  /** Whether something in it repeats without bound. */
  readonly isUnbounded: boolean;
  /** The one character it starts with, where that is certain. */
  readonly first: string | undefined;
}

interface Count {
  readonly min: number;
  readonly max: number;
}

const one: Part = { ways: 1, isUnbounded: false, first: undefined };

/**
 * Why an expression is refused, undefined when it is not: RE2 has no backtracking, the engine used here has.
 * @param source An expression that compiles; of another one the answer says nothing.
 */
export function expressionDanger(source: string): string | undefined {
  const reader = new PatternReader(source);
  const whole = reader.readAlternatives();
  if (reader.danger === undefined && !reader.isAtEnd) return "it has a ) that closes nothing";
  if (reader.danger === undefined && whole.ways > waysMax) return tooManyWays;
  return reader.danger;
}

const tooManyWays = "its optional parts, bounded counts and alternatives combine in too many ways";
const nested =
  "a repeated group has repetitions, optional parts or alternatives in it that do not each start with another character";

/** Reads a pattern from the left; stops to matter once a danger is found. */
class PatternReader {
  readonly #source: string;
  #at = 0;
  danger: string | undefined;

  constructor(source: string) {
    this.#source = source;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#source.length;
  }

  /** Reads up to the end of the pattern or of the group. */
  readAlternatives(): Part {
    const parts = [this.#readSequence()];
    while (this.#take("|")) parts.push(this.#readSequence());
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : eitherOf(parts);
  }

  #readSequence(): Part {
    let sequence = one;
    let isFirst = true;
    while (!this.isAtEnd && !"|)".includes(this.#peek())) {
      const part = this.#counted(this.#readAtom());
      sequence = {
        ways: sequence.ways * part.ways,
        isUnbounded: sequence.isUnbounded || part.isUnbounded,
        first: isFirst ? part.first : sequence.first,
      };
      isFirst = false;
    }
    return sequence;
  }

  #readAtom(): Part {
    if (this.#take("(")) return this.#readGroup();
    if (this.#take("[")) return this.#readClass();
    if (this.#take("\\")) return this.#readEscape();
    const character = this.#next();
    return ".^$".includes(character) ? one : { ...one, first: character };
  }

  #readGroup(): Part {
    if (this.#take("?") && !this.#take(":") && !this.#matches(/<[\p{L}$_][^<>]*>/uy)) {
      this.danger ??= "it looks ahead or behind, or changes flags";
    }
    const inside = this.readAlternatives();
    this.#take(")");
    return inside;
  }

  #readClass(): Part {
    this.#matches(/(?:[^\]\\]|\\.)*\]/sy);
    return one;
  }

  #readEscape(): Part {
    const character = this.#next();
    if (/[1-9k]/.test(character)) this.danger ??= "it refers back to a group";
    return /[\w]/.test(character) ? one : { ...one, first: character };
  }

  #counted(atom: Part): Part {
    const count = this.#readCount();
    if (count === undefined) return atom;
    const first = count.min > 0 ? atom.first : undefined;
    if (count.max > 1 && atom.isUnbounded) this.danger ??= nested;
    if (count.max - count.min >= spanMax) {
      if (atom.ways > 1) this.danger ??= nested;
      return { ways: 1, isUnbounded: true, first };
    }
    let ways = 0;
    for (let times = count.min; times <= count.max; times++) ways += atom.ways ** times;
    if (ways > waysMax) this.danger ??= tooManyWays;
    return { ways, isUnbounded: atom.isUnbounded, first };
  }

  #readCount(): Count | undefined {
    const text = this.#matches(/[*+?]|\{\d+(?:,\d*)?\}/y);
    if (text === undefined) return undefined;
    this.#take("?"); // a lazy count tries the same ways in another order
    if (text === "?") return { min: 0, max: 1 };
    if (text === "*" || text === "+") return { min: text === "*" ? 0 : 1, max: Number.POSITIVE_INFINITY };
    const [min = "", max = min] = text.slice(1, -1).split(",");
    return { min: Number(min), max: max === "" ? Number.POSITIVE_INFINITY : Number(max) };
  }

  #peek(): string {
    return this.#source.charAt(this.#at);
  }

  #next(): string {
    return this.#source.charAt(this.#at++);
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }

  #matches(form: RegExp): string | undefined {
    form.lastIndex = this.#at;
    const found = form.exec(this.#source)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }
}

/** Alternatives that each start with a character of their own leave no choice. */
function eitherOf(parts: readonly Part[]): Part {
  const firsts = parts.map(({ first }) => first);
  const isClear = !firsts.includes(undefined) && new Set(firsts).size === firsts.length;
  const ways = parts.map((part) => part.ways);
  return {
    ways: isClear ? Math.max(...ways) : ways.reduce((sum, count) => sum + count, 0),
    isUnbounded: parts.some((part) => part.isUnbounded),
    first: undefined,
  };
}
