/** The SQL of the object store, one prepared statement a purpose. */
import type { Database, Statement } from "bun:sqlite";

/** Where an object is stored. */
export interface RowKey {
  readonly group: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}

/** An object as stored. */
export interface Row extends RowKey {
  readonly uid: string;
  readonly version: number;
  readonly text: string;
}

/** A place in the order of namespace and name; both empty: the start. */
export interface RowAfter {
  readonly namespace: string;
  readonly name: string;
}

type Key4 = [string, string, string, string];
type Key4Limit = [string, string, string, string, number];

/** Every statement the store runs, prepared once. */
export interface Statements {
  readonly version: Statement<{ value: number }, []>;
  readonly setVersion: Statement<unknown, [number]>;
  readonly read: Statement<Row, Key4>;
  readonly byUid: Statement<Row, [string]>;
  readonly pageAll: Statement<Row, Key4Limit>;
  readonly pageNamespace: Statement<Row, Key4Limit>;
  readonly countAll: Statement<{ count: number }, Key4>;
  readonly countNamespace: Statement<{ count: number }, Key4>;
  readonly content: Statement<Row, [string, string, number]>;
  readonly dependents: Statement<Row, [string, string, number]>;
  readonly deleting: Statement<Row, []>;
  readonly missingOwners: Statement<{ owner: string }, []>;
  readonly insert: Statement<unknown, [string, string, string, string, string, number, string]>;
  readonly update: Statement<unknown, [number, string, string]>;
  readonly remove: Statement<unknown, [string]>;
  readonly addOwner: Statement<unknown, [string, string]>;
  readonly dropOwners: Statement<unknown, [string]>;
  readonly claim: Statement<unknown, [string, string, string]>;
  readonly releaseClaims: Statement<unknown, [string, string]>;
  readonly dropClaims: Statement<unknown, [string]>;
}

/** Prepares the statements on a file whose tables exist. */
export function prepareStatements(db: Database): Statements {
  const columns = "grp AS 'group', resource, namespace, name, uid, version, body AS text";
  const all = `grp = ? AND resource = ? AND (namespace, name) > (?, ?)`;
  const one = `grp = ? AND resource = ? AND namespace = ? AND name > ?`;
  return {
    version: db.prepare("SELECT value FROM meta WHERE key = 'version'"),
    setVersion: db.prepare("UPDATE meta SET value = ? WHERE key = 'version'"),
    read: db.prepare(
      `SELECT ${columns} FROM objects WHERE grp = ? AND resource = ? AND namespace = ? AND name = ?`,
    ),
    byUid: db.prepare(`SELECT ${columns} FROM objects WHERE uid = ?`),
    pageAll: db.prepare(`SELECT ${columns} FROM objects WHERE ${all} ORDER BY namespace, name LIMIT ?`),
    pageNamespace: db.prepare(`SELECT ${columns} FROM objects WHERE ${one} ORDER BY name LIMIT ?`),
    countAll: db.prepare(`SELECT count(*) AS count FROM objects WHERE ${all}`),
    countNamespace: db.prepare(`SELECT count(*) AS count FROM objects WHERE ${one}`),
    content: db.prepare(
      `SELECT ${columns} FROM objects WHERE namespace = ? AND uid > ? ORDER BY uid LIMIT ?`,
    ),
    dependents: db.prepare(
      `SELECT ${columns} FROM owners JOIN objects ON uid = dependent WHERE owner = ? AND dependent > ? ORDER BY dependent LIMIT ?`,
    ),
    deleting: db.prepare(`SELECT ${columns} FROM objects WHERE body LIKE '%"deletionTimestamp"%'`),
    missingOwners: db.prepare(
      "SELECT DISTINCT owner FROM owners WHERE owner NOT IN (SELECT uid FROM objects)",
    ),
    insert: db.prepare(
      "INSERT INTO objects (grp, resource, namespace, name, uid, version, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
    ),
    update: db.prepare("UPDATE objects SET version = ?, body = ? WHERE uid = ?"),
    remove: db.prepare("DELETE FROM objects WHERE uid = ?"),
    addOwner: db.prepare("INSERT OR IGNORE INTO owners (owner, dependent) VALUES (?, ?)"),
    dropOwners: db.prepare("DELETE FROM owners WHERE dependent = ?"),
    claim: db.prepare("INSERT OR IGNORE INTO claims (scope, value, holder) VALUES (?, ?, ?)"),
    releaseClaims: db.prepare("DELETE FROM claims WHERE scope = ? AND holder = ?"),
    dropClaims: db.prepare("DELETE FROM claims WHERE holder = ?"),
  };
}
