/** The SQLite file under the object store: opened with its settings, its version checked, its failures translated. Knows nothing of objects. */
import { Database, SQLiteError } from "bun:sqlite";
import { MeshError } from "#host/mesh-error.ts";
import { internal, storageFull } from "./refusal.ts";

/** Version of the tables below; a file of another is refused, never guessed at. */
export const storeVersion = 1;

/** "LAMB" in ASCII, so that a foreign SQLite file is told from ours. */
const applicationId = 0x4c414d42;

/** Pages of 4 KiB after which the write-ahead log is folded into the file: 1 MiB, so that a small disk is not eaten by the log. */
const checkpointPages = 256;

const tables = `
CREATE TABLE IF NOT EXISTS objects (
  grp TEXT NOT NULL, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  uid TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS objects_by_key ON objects (grp, resource, namespace, name);
CREATE UNIQUE INDEX IF NOT EXISTS objects_by_uid ON objects (uid);
CREATE INDEX IF NOT EXISTS objects_by_namespace ON objects (namespace, uid);
CREATE TABLE IF NOT EXISTS owners (
  owner TEXT NOT NULL, dependent TEXT NOT NULL, PRIMARY KEY (owner, dependent)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS owners_by_dependent ON owners (dependent);
CREATE TABLE IF NOT EXISTS claims (
  scope TEXT NOT NULL, value TEXT NOT NULL, holder TEXT NOT NULL, PRIMARY KEY (scope, value)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS claims_by_holder ON claims (holder);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO meta (key, value) VALUES ('version', 0);
`;

/** What an acknowledged write outlives: the end of the process, or that of the machine too, at an fsync a commit. */
export type Durability = "process" | "power";

/**
 * Opens the file, making it when it is absent.
 *
 * By default `synchronous=NORMAL` in WAL mode: a killed process loses nothing, a power cut may lose the last commits but never
 * tears one. A power cut also ends every process of an embedded mesh, so nobody is left who saw a lost commit, and a
 * write costs tens of microseconds instead of an fsync.
 * `locking_mode=EXCLUSIVE`: the file has one owner, a second opener is refused, and there is no shared-memory file
 * whose growth a full disk could fail.
 *
 * @throws MeshError when it cannot be opened, is another program's or of another version.
 */
export function openStoreFile(path: string, durability: Durability = "process"): Database {
  let db: Database | undefined;
  try {
    db = new Database(path, { create: true, strict: true });
    db.run("PRAGMA locking_mode = EXCLUSIVE");
    checkOwner(db, path);
    db.run("PRAGMA journal_mode = WAL");
    db.run(`PRAGMA synchronous = ${durability === "power" ? "FULL" : "NORMAL"}`);
    db.run("PRAGMA temp_store = MEMORY");
    db.run(`PRAGMA wal_autocheckpoint = ${checkpointPages}`);
    db.run(`PRAGMA journal_size_limit = ${checkpointPages * 4096}`);
    db.run(tables);
    db.run(`PRAGMA application_id = ${applicationId}`);
    db.run(`PRAGMA user_version = ${storeVersion}`);
    return db;
  } catch (error) {
    db?.close();
    throw cannotOpen(path, error);
  }
}

/** Folds the write-ahead log into the file and gives its space back. @returns whether it could. */
export function foldLog(db: Database): boolean {
  try {
    db.run("PRAGMA wal_checkpoint(TRUNCATE)");
    return true;
  } catch {
    // A disk that is full may refuse this too; the caller's own failure is the one to report.
    return false;
  }
}

/** Whether a thrown value says that the disk is full. */
export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof SQLiteError)) return false;
  // A full tmpfs shows as a failed write (IOERR, with an extended code), other file systems as FULL.
  return (
    (error.errno & 0xff) === 13 || ((error.errno & 0xff) === 10 && /WRITE|SHMSIZE|FSYNC/.test(codeOf(error)))
  );
}

/** A failure of the store as the API's refusal; others pass unchanged. */
export function asRefusal(path: string, error: unknown): unknown {
  if (!(error instanceof SQLiteError)) return error;
  if (isDiskFull(error)) return storageFull(path);
  return internal(`Cannot use the store "${path}": ${codeOf(error)}: ${error.message}`);
}

function codeOf(error: SQLiteError): string {
  return error.code ?? `SQLite error ${error.errno}`;
}

function checkOwner(db: Database, path: string): void {
  const id = pragma(db, "application_id");
  const version = pragma(db, "user_version");
  const row = db.query<{ count: number }, []>("SELECT count(*) AS count FROM sqlite_master").get();
  if ((row?.count ?? 0) === 0) return;
  if (id !== applicationId) {
    throw new MeshError(
      "bad-input",
      `Cannot open the store as a Lambient store: "${path}" is another program's SQLite file; name another data folder`,
    );
  }
  if (version !== storeVersion) {
    throw new MeshError(
      "bad-input",
      `Cannot open the store as version ${storeVersion}: "${path}" has version ${version}; use the release that wrote it, or name another data folder`,
    );
  }
}

function pragma(db: Database, name: "application_id" | "user_version"): number {
  const row = db.query<Record<string, number>, []>(`PRAGMA ${name}`).get();
  return row?.[name] ?? 0;
}

function cannotOpen(path: string, error: unknown): MeshError {
  if (error instanceof MeshError) return error;
  if (error instanceof SQLiteError) {
    const base = error.errno & 0xff;
    if (base === 5) {
      return new MeshError(
        "unavailable",
        `Cannot open the store as its only user: "${path}" is in use by another process; stop that one first`,
        error,
      );
    }
    if (base === 26) {
      return new MeshError(
        "bad-input",
        `Cannot open the store as a SQLite file: "${path}" is something else; name another data folder`,
        error,
      );
    }
  }
  const text = error instanceof Error ? error.message : String(error);
  return new MeshError(
    "io-failed",
    `Cannot open the store as a file for reading and writing: "${path}": ${text}`,
    error,
  );
}
