/** Objects in SQLite under one growing version, written in transactions that tell their changes once they are committed. Knows no kind's rules. */
import type { Database } from "bun:sqlite";
import { type Change, describeChange, ownersOf, type StoredKind, textAt } from "./change.ts";
import { asRefusal, type Durability, foldLog, isDiskFull, openStoreFile } from "./store-file.ts";
import {
  prepareStatements,
  type Row,
  type RowAfter,
  type RowKey,
  type Statements,
} from "./store-statements.ts";
import type { WorkingObject } from "./working-object.ts";

/** Reads and writes that happen together or not at all. */
export interface Transaction {
  read(key: RowKey): WorkingObject | undefined;
  /** Stores the object at a new version, which it is given. */
  put(kind: StoredKind, object: WorkingObject, old: WorkingObject | undefined): void;
  remove(kind: StoredKind, object: WorkingObject): void;
  /** Takes a value that only one object may hold; it is given back with the object. @returns false when another has it. */
  claim(scope: string, value: string, holder: string): boolean;
  /** Gives back what an object holds in a scope. */
  release(scope: string, holder: string): void;
}

/** Reads, and writes in transactions. */
export class ObjectStore {
  readonly #db: Database;
  readonly #path: string;
  readonly #sql: Statements;
  readonly #onCommit: (changes: readonly Change[]) => void;
  #version: number;

  constructor(path: string, onCommit: (changes: readonly Change[]) => void, durability?: Durability) {
    this.#path = path;
    this.#db = openStoreFile(path, durability);
    this.#sql = prepareStatements(this.#db);
    this.#onCommit = onCommit;
    this.#version = this.#sql.version.get()?.value ?? 0;
  }

  /** Version of the newest change. */
  get version(): number {
    return this.#version;
  }

  /** One object. */
  read(key: RowKey): Row | undefined {
    return this.#sql.read.get(key.group, key.resource, key.namespace, key.name) ?? undefined;
  }

  /** The objects of a resource in order of namespace and name, after a key, at most `limit`. */
  page(of: StoredKind & { namespace?: string }, after: RowAfter, limit: number): readonly Row[] {
    return of.namespace === undefined
      ? this.#sql.pageAll.all(of.group, of.resource, after.namespace, after.name, limit)
      : this.#sql.pageNamespace.all(of.group, of.resource, of.namespace, after.name, limit);
  }

  /** How many objects of a resource come after a key. */
  countAfter(of: StoredKind & { namespace?: string }, after: RowAfter): number {
    const row =
      of.namespace === undefined
        ? this.#sql.countAll.get(of.group, of.resource, after.namespace, after.name)
        : this.#sql.countNamespace.get(of.group, of.resource, of.namespace, after.name);
    return row?.count ?? 0;
  }

  /** Objects in a namespace of any resource in order of uid, after a uid, at most `limit`. */
  contentOf(namespace: string, afterUid: string, limit: number): readonly Row[] {
    return this.#sql.content.all(namespace, afterUid, limit);
  }

  /** Objects that name an owner in order of uid, after a uid, at most `limit`. */
  dependentsOf(owner: string, afterUid: string, limit: number): readonly Row[] {
    return this.#sql.dependents.all(owner, afterUid, limit);
  }

  /** Objects whose text speaks of a deletion; few, and not all of them are being deleted. */
  maybeDeleting(): readonly Row[] {
    return this.#sql.deleting.all();
  }

  /** An object by its uid. */
  byUid(uid: string): Row | undefined {
    return this.#sql.byUid.get(uid) ?? undefined;
  }

  /** Owners that objects name and that do not exist. */
  missingOwners(): readonly string[] {
    return this.#sql.missingOwners.all().map((row) => row.owner);
  }

  /**
   * Runs an action in a transaction. When the disk is full the log is folded and the action runs once more, so it
   * must not act on anything but the transaction.
   * @throws KubeError when the store fails; what the action throws. Nothing is changed then.
   */
  write<Value>(action: (tx: Transaction) => Value): Value {
    try {
      return this.#attempt(action, "commit");
    } catch (error) {
      if (!isDiskFull(error) || !foldLog(this.#db)) throw asRefusal(this.#path, error);
    }
    try {
      return this.#attempt(action, "commit");
    } catch (error) {
      throw asRefusal(this.#path, error);
    }
  }

  /** Runs an action as a write would and leaves no trace of it. */
  rehearse<Value>(action: (tx: Transaction) => Value): Value {
    try {
      return this.#attempt(action, "rollback");
    } catch (error) {
      throw asRefusal(this.#path, error);
    }
  }

  /** Folds the log and closes the file. */
  close(): void {
    foldLog(this.#db);
    // A statement that is still there would keep the file, and its lock, open.
    for (const statement of Object.values(this.#sql)) statement.finalize();
    this.#db.close();
  }

  #attempt<Value>(action: (tx: Transaction) => Value, end: "commit" | "rollback"): Value {
    this.#db.run("BEGIN IMMEDIATE");
    let value: Value;
    const tx = new OpenTransaction(this.#sql, this.#version);
    try {
      value = action(tx);
      if (end === "rollback" || tx.changes.length === 0) {
        this.#db.run("ROLLBACK");
        return value;
      }
      this.#sql.setVersion.run(tx.version);
      this.#db.run("COMMIT");
    } catch (error) {
      // SQLite rolls back by itself on some failures, a full disk among them.
      if (this.#db.inTransaction) this.#db.run("ROLLBACK");
      throw error;
    }
    this.#version = tx.version;
    this.#onCommit(tx.changes);
    return value;
  }
}

/** The key of an object of a kind. */
export function rowKeyOf(kind: StoredKind, object: WorkingObject): RowKey {
  const { name, namespace = "" } = object.metadata;
  return { group: kind.group, resource: kind.resource, namespace, name };
}

/** The object of a row. */
export function parseRow(row: { readonly text: string }): WorkingObject {
  // Sound: the text was made from a WorkingObject by put().
  return JSON.parse(row.text) as WorkingObject;
}

class OpenTransaction implements Transaction {
  readonly changes: Change[] = [];
  readonly #sql: Statements;
  version: number;

  constructor(sql: Statements, version: number) {
    this.#sql = sql;
    this.version = version;
  }

  read(key: RowKey): WorkingObject | undefined {
    const row = this.#sql.read.get(key.group, key.resource, key.namespace, key.name);
    return row === null ? undefined : parseRow(row);
  }

  put(kind: StoredKind, object: WorkingObject, old: WorkingObject | undefined): void {
    const version = ++this.version;
    object.metadata.resourceVersion = String(version);
    const text = JSON.stringify(object);
    const key = rowKeyOf(kind, object);
    if (old === undefined) {
      this.#sql.insert.run(
        key.group,
        key.resource,
        key.namespace,
        key.name,
        object.metadata.uid,
        version,
        text,
      );
    } else {
      this.#sql.update.run(version, text, object.metadata.uid);
    }
    this.#setOwners(object, old);
    const type = old === undefined ? "ADDED" : "MODIFIED";
    this.changes.push(describeChange({ ...key, version, text, type }, { kind, object, before: old }));
  }

  remove(kind: StoredKind, object: WorkingObject): void {
    const version = ++this.version;
    const uid = object.metadata.uid;
    this.#sql.remove.run(uid);
    this.#sql.dropOwners.run(uid);
    this.#sql.dropClaims.run(uid);
    const text = textAt(object, version);
    const change = { ...rowKeyOf(kind, object), version, text, type: "DELETED" } as const;
    this.changes.push(describeChange(change, { kind, object, before: object }));
  }

  claim(scope: string, value: string, holder: string): boolean {
    return this.#sql.claim.run(scope, value, holder).changes > 0;
  }

  release(scope: string, holder: string): void {
    this.#sql.releaseClaims.run(scope, holder);
  }

  #setOwners(object: WorkingObject, old: WorkingObject | undefined): void {
    const owners = ownersOf(object);
    const before = old === undefined ? [] : ownersOf(old);
    if (owners.length === 0 && before.length === 0) return;
    const uid = object.metadata.uid;
    this.#sql.dropOwners.run(uid);
    for (const owner of owners) this.#sql.addOwner.run(owner, uid);
  }
}
