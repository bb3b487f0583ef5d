import type { DatabaseSync } from "node:sqlite";
import { columnOf, type Layout, layouts } from "./layout.ts";

/** The file is not one that this code can use as it is: of a newer release, not brought up to this one, or damaged. Nothing was changed. */
export class StoreSchemaError extends Error {
  override readonly name = "StoreSchemaError";
}

/**
 * A rowid table with a unique index on the key, not a table clustered by key: rows of 500 to 1,000 bytes
 * are appended at one place, and the index is small enough that its pages stay in memory. `seq` of the feed
 * table is the feed's order: rows are only ever added there, so SQLite gives each a larger number than any before.
 */
function tableDdl(layout: Layout): string {
  const { sql, range, columns, ttl, nameOf, indexes, name } = layout;
  const keys = range === undefined ? "hash" : nameOf === undefined ? "hash, range" : `${nameOf("hash")}, range, hash`;
  const typed = columns.map((attribute) => `, ${columnOf(layout, attribute)} ${typeOf(layout, attribute)}`).join("");
  const statements = [
    `CREATE TABLE IF NOT EXISTS ${sql} (seq INTEGER PRIMARY KEY, hash TEXT NOT NULL${range === undefined ? "" : ", range TEXT NOT NULL"},
       version INTEGER, body TEXT NOT NULL${typed}) STRICT`,
    // Where the unique index is built later it is a table, so that rows may be there without an entry.
    layout.deferral === "key"
      ? `CREATE TABLE IF NOT EXISTS "${name}/key" (hash TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
         INSERT INTO late_keys (name, indexed_to) VALUES ('${name}', 0) ON CONFLICT DO NOTHING`
      : `CREATE UNIQUE INDEX IF NOT EXISTS "${name}/key" ON ${sql} (${keys})`,
  ];
  for (const index of indexes) {
    const [hash, order] = [columnOf(layout, index.hash), columnOf(layout, index.range)];
    statements.push(
      `CREATE INDEX IF NOT EXISTS "${name}/${index.name}" ON ${sql} (${hash}, ${order}) WHERE ${hash} IS NOT NULL AND ${order} IS NOT NULL`,
    );
  }
  if (ttl !== undefined) {
    const column = columnOf(layout, ttl);
    statements.push(`CREATE INDEX IF NOT EXISTS "${name}/ttl" ON ${sql} (${column}) WHERE ${column} IS NOT NULL`);
  }
  return statements.join(";\n");
}

/** SQLite's type of the column that holds an attribute. */
const typeOf = (layout: Layout, attribute: string): string => (attribute === layout.ttl ? "REAL" : "TEXT");

/**
 * Adds the columns of indexes that a table of tables.ts has gained since the file was written, and fills them from the items. So is
 * filled again what is there but not `kept`: a release that did not know the column left it as it was in all that it wrote.
 * Must come before the index is made.
 */
function fillColumns(db: DatabaseSync, file: string, layout: Layout, kept: ReadonlySet<string>): void {
  const found = columnsIn(db, layout);
  if (found.size === 0) return;
  const lacking = layout.columns.filter((attribute) => !isFilled(layout, attribute, found, kept));
  // A row that cannot be read would be missing from the lists, and what watches them (payments that wait, webhooks) would pass it over in silence.
  const key = layout.range === undefined ? "hash" : "hash, range";
  const broken = lacking.length > 0 && db.prepare(`SELECT ${key} FROM ${layout.sql} WHERE NOT json_valid(body) LIMIT 1`).get();
  if (broken) {
    const name = Object.values(broken).map((part) => JSON.stringify(part));
    throw new StoreSchemaError(
      `${file} cannot be brought to this release: the row of ${layout.name} under ${name.join(", ")} is damaged (no JSON), so its indexes cannot be filled. Nothing was changed; mend the row or put a copy back.`,
    );
  }
  for (const attribute of lacking) {
    const column = columnOf(layout, attribute);
    const there = found.has(column.replaceAll(`"`, ""));
    if (!there) db.exec(`ALTER TABLE ${layout.sql} ADD COLUMN ${column} ${typeOf(layout, attribute)}`);
    const value = `json_extract(body, '$."${attribute}"')`;
    db.exec(`UPDATE ${layout.sql} SET ${column} = ${value} WHERE ${column} IS NOT ${value}`);
  }
}

function columnsIn(db: DatabaseSync, layout: Layout): ReadonlySet<string> {
  const rows = db.prepare("SELECT name FROM pragma_table_info(?)").all(layout.name);
  return new Set(rows.map((row) => String(row["name"])));
}

/** Whether the column of an attribute is there and has been filled in every row. */
function isFilled(layout: Layout, attribute: string, found: ReadonlySet<string>, kept: ReadonlySet<string>): boolean {
  return found.has(columnOf(layout, attribute).replaceAll(`"`, "")) && kept.has(columnName(layout, attribute));
}

const columnName = (layout: Layout, attribute: string): string => `${layout.name}/${attribute}`;

/** The columns that the release which had the file last has filled in all that it wrote. */
function keptColumns(db: DatabaseSync): ReadonlySet<string> {
  return new Set(
    db
      .prepare("SELECT name FROM kept_columns")
      .all()
      .map((row) => String(row["name"])),
  );
}

/** Says in the file which columns this code keeps filled: fewer than before where it is older than the release before it. */
function keepColumns(db: DatabaseSync, before: ReadonlySet<string>): void {
  const own = new Set(layouts.flatMap((layout) => layout.columns.map((attribute) => columnName(layout, attribute))));
  if (own.size === before.size && [...own].every((name) => before.has(name))) return;
  db.exec("DELETE FROM kept_columns");
  const insert = db.prepare("INSERT INTO kept_columns (name) VALUES (?)");
  for (const name of own) insert.run(name);
}

/** A body is null where an entry only says that the row at its place is newer than the entries before. */
const journalDdl = [0, 1]
  .map(
    (slot) =>
      `CREATE TABLE journal_${slot} (seq INTEGER PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL, version INTEGER, body TEXT) STRICT`,
  )
  .join(";\n");

/** Of each table whose keys are indexed later, the `seq` up to which all rows have their entry. */
const lateKeysDdl = "CREATE TABLE late_keys (name TEXT PRIMARY KEY, indexed_to INTEGER NOT NULL) STRICT";

/** Forward migrations: the one at position n takes a file from version n to n + 1. Never edited, only appended to. */
const migrations: readonly string[] = [
  `${journalDdl};\n${lateKeysDdl}`,
  // The unique indexes of partitioned tables begin with the name of the partitions since then; they are made again below.
  `DROP INDEX IF EXISTS "smartfinance-transactions/key"; DROP INDEX IF EXISTS "smartfinance-audit-logs/key"`,
  // Releases before this step did not say which columns they fill, so they are kept from files that others have filled.
  "CREATE TABLE IF NOT EXISTS kept_columns (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
];

/** The version of files this code writes. */
export const SCHEMA_VERSION = migrations.length;

/**
 * The schema version of a file.
 * @throws StoreSchemaError when the file is newer than this code.
 */
export function knownVersion(db: DatabaseSync, file: string): number {
  const found = Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
  if (found > SCHEMA_VERSION) {
    throw new StoreSchemaError(
      `${file} has schema version ${found}; this SmartFinance knows ${SCHEMA_VERSION} and older. Use the newer release.`,
    );
  }
  return found;
}

/**
 * Refuses a file that `migrate` would still have to bring to this release, for those who may not write into it: tables and
 * columns would be missing, or rows missing from lists.
 * @throws StoreSchemaError when the file is older than this code, or newer.
 */
export function assertCurrent(db: DatabaseSync, file: string): void {
  if (knownVersion(db, file) === SCHEMA_VERSION) {
    const kept = keptColumns(db);
    const isCurrent = (layout: Layout): boolean => {
      const found = columnsIn(db, layout);
      return found.size > 0 && layout.columns.every((attribute) => isFilled(layout, attribute, found, kept));
    };
    if (layouts.every(isCurrent)) return;
  }
  throw new StoreSchemaError(
    `${file} was written by an older SmartFinance. Start the server of this release with it once, which brings it up to date, and stop it again.`,
  );
}

/**
 * Brings a file to `SCHEMA_VERSION`, each step in one transaction, and adds tables, columns and indexes that tables.ts has gained.
 * @throws StoreSchemaError when the file is newer than this code.
 */
export function migrate(db: DatabaseSync, file: string): void {
  const found = knownVersion(db, file);
  db.exec("BEGIN IMMEDIATE");
  try {
    for (let version = found; version < SCHEMA_VERSION; version++) db.exec(migrations[version] ?? "");
    const kept = keptColumns(db);
    for (const layout of layouts) {
      fillColumns(db, file, layout, kept);
      db.exec(tableDdl(layout));
    }
    keepColumns(db, kept);
    if (found !== SCHEMA_VERSION) db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}
