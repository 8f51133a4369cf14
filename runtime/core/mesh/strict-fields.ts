/** Reads an object of parsed data field by field, collecting every mistake with its path; fields that nobody asked for are mistakes. */

/** Where mistakes are collected. */
export type Mistakes = string[];

/** One object being read. Each reader takes a default for an absent field. */
export interface StrictFields {
  readonly path: string;
  text(name: string, absent?: string): string;
  whole(name: string, absent: number): number;
  flag(name: string): boolean;
  /** One of the words, whatever their case. */
  choice<Value>(name: string, words: Readonly<Record<string, Value>>, absent: Value): Value;
  texts(name: string): string[];
  /** Objects of a list. */
  objects(name: string): StrictFields[];
  /** An object, undefined when it is absent. */
  object(name: string): StrictFields | undefined;
  /** Names and values of an object whose names are free. */
  entries(name: string): [string, unknown][];
  /** Items of a list, each with its path. */
  items(name: string): { readonly value: unknown; readonly path: string }[];
  has(name: string): boolean;
  fail(name: string, wanted: string): void;
  /** Reports the fields that nobody asked for. */
  end(): void;
}

/** Begins to read; anything but an object is a mistake and reads as an empty one. */
export function readStrictly(value: unknown, path: string, mistakes: Mistakes): StrictFields {
  return new Fields(value, path, mistakes);
}

class Fields implements StrictFields {
  readonly path: string;
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #mistakes: Mistakes;
  readonly #asked = new Set<string>();

  constructor(value: unknown, path: string, mistakes: Mistakes) {
    this.path = path;
    this.#mistakes = mistakes;
    this.#fields = isObject(value) ? value : {};
    if (!isObject(value)) mistakes.push(`Cannot read ${path} as an object: ${show(value)}`);
  }

  text(name: string, absent = ""): string {
    return this.#read(name, "a text", absent, (value) => (typeof value === "string" ? value : undefined));
  }

  whole(name: string, absent: number): number {
    return this.#read(name, "a whole number", absent, wholeNumber);
  }

  flag(name: string): boolean {
    return this.#read(name, "true or false", false, (value) =>
      typeof value === "boolean" ? value : undefined,
    );
  }

  choice<Value>(name: string, words: Readonly<Record<string, Value>>, absent: Value): Value {
    const wanted = `one of ${Object.keys(words).join(", ")}`;
    return this.#read(name, wanted, absent, (value) => {
      if (typeof value !== "string") return undefined;
      const word = Object.keys(words).find((known) => known.toLowerCase() === value.toLowerCase());
      return word === undefined ? undefined : words[word];
    });
  }

  texts(name: string): string[] {
    return this.items(name).flatMap(({ value, path }) => {
      if (typeof value === "string") return [value];
      this.#mistakes.push(`Cannot read ${path} as a text: ${show(value)}`);
      return [];
    });
  }

  objects(name: string): StrictFields[] {
    return this.items(name).map(({ value, path }) => new Fields(value, path, this.#mistakes));
  }

  object(name: string): StrictFields | undefined {
    return this.has(name) ? new Fields(this.#take(name), this.#pathOf(name), this.#mistakes) : undefined;
  }

  entries(name: string): [string, unknown][] {
    return this.#read(name, "an object", [], (value) =>
      isObject(value) ? Object.entries(value) : undefined,
    );
  }

  items(name: string): { readonly value: unknown; readonly path: string }[] {
    const list = this.#read<readonly unknown[]>(name, "a list", [], (value) =>
      Array.isArray(value) ? value : undefined,
    );
    return list.map((value, i) => ({ value, path: `${this.#pathOf(name)}[${i}]` }));
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined && this.#fields[name] !== null;
  }

  fail(name: string, wanted: string): void {
    this.#mistakes.push(`Cannot read ${this.#pathOf(name)} as ${wanted}: ${show(this.#fields[name])}`);
  }

  end(): void {
    for (const name of Object.keys(this.#fields)) {
      if (!this.#asked.has(name)) {
        this.#mistakes.push(
          `Cannot read ${this.path}: the field "${name}" is not known; remove it or correct its name`,
        );
      }
    }
  }

  #read<Value>(
    name: string,
    wanted: string,
    absent: Value,
    convert: (value: unknown) => Value | undefined,
  ): Value {
    const value = this.#take(name);
    if (value === undefined || value === null) return absent;
    const converted = convert(value);
    if (converted === undefined) this.fail(name, wanted);
    return converted ?? absent;
  }

  #take(name: string): unknown {
    this.#asked.add(name);
    return this.#fields[name];
  }

  #pathOf(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }
}

function wholeNumber(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 80);
}
