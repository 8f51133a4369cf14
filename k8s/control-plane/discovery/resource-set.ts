/** The resources that discovery serves, by type and name, each with the hash of its content as version; not who gets them. */
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";

/** A resource as it goes out. */
export interface ServedResource {
  readonly name: string;
  readonly version: string;
  readonly bytes: Uint8Array;
}

/** The message is kept beside its bytes only to tell that the very same one was given again. */
interface HeldResource extends ServedResource {
  readonly message: unknown;
}

/** What one change touched. */
export interface ResourceChange {
  readonly typeUrl: string;
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** Resources by type URL and name, with listeners for their changes. */
export class ResourceSet {
  readonly #types = new Map<string, Map<string, HeldResource>>();
  readonly #listeners = new Set<(change: ResourceChange) => void>();

  /** Everything of a type. */
  ofType(typeUrl: string): ReadonlyMap<string, ServedResource> {
    return this.#types.get(typeUrl) ?? new Map();
  }

  /** How many there are of each type. */
  counts(): ReadonlyMap<string, number> {
    return new Map([...this.#types].map(([typeUrl, held]) => [typeUrl, held.size]));
  }

  /** Makes the messages given all that there is of their type. Equal content is no change, and a message that was given before is not even read. @returns how many changed. */
  replace<Desc extends DescMessage>(schema: Desc, messages: ReadonlyMap<string, MessageShape<Desc>>): number {
    const typeUrl = `type.googleapis.com/${schema.typeName}`;
    const held = this.#types.get(typeUrl) ?? new Map<string, HeldResource>();
    this.#types.set(typeUrl, held);
    const changed: string[] = [];
    for (const [name, message] of messages) {
      const before = held.get(name);
      if (before?.message === message) continue;
      const bytes = toBinary(schema, message);
      const version = Bun.hash(bytes).toString(16);
      held.set(name, { name, version, bytes, message });
      if (before?.version !== version) changed.push(name);
    }
    const removed = [...held.keys()].filter((name) => !messages.has(name));
    for (const name of removed) held.delete(name);
    this.#tell({ typeUrl, changed, removed });
    return changed.length + removed.length;
  }

  /** Sets one resource from bytes as they are, readable or not: for tests of what clients refuse. */
  putBytes(typeUrl: string, name: string, bytes: Uint8Array): void {
    const held = this.#types.get(typeUrl) ?? new Map<string, HeldResource>();
    this.#types.set(typeUrl, held);
    held.set(name, { name, version: Bun.hash(bytes).toString(16), bytes, message: undefined });
    this.#tell({ typeUrl, changed: [name], removed: [] });
  }

  /** Calls back after each change. @returns how to stop. */
  onChange(listener: (change: ResourceChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #tell(change: ResourceChange): void {
    if (change.changed.length + change.removed.length === 0) return;
    for (const listener of this.#listeners) listener(change);
  }
}
