import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { type Store, StoreUnavailableError } from "../port.ts";
import type { TableName } from "../tables.ts";
import { validateQuery, validateRefs } from "../validate-commit.ts";
import { canonicalFile, takeOwnership } from "./files.ts";
import { createHotItems, type HotItems } from "./hot-items.ts";
import { layoutFor, layouts } from "./layout.ts";
import { createOverlay } from "./overlay.ts";
import { openReader, type Reader } from "./reader.ts";
import { assertCurrent } from "./schema.ts";

/** A generation that is never folded: what has it stays in memory. */
const NEVER = Number.MAX_SAFE_INTEGER;

/** A row as it lies in the file, or an update of one in the journal. */
export interface StoredRow {
  /** The key by which the store finds it, which the item need not say as well. */
  readonly hash: string;
  readonly range?: string;
  /** `undefined` for a text that is no JSON. */
  readonly item: unknown;
}

/** A store to be looked at as a whole: what the port gives is what an index or a cursor leads to. */
export type ReadOnlyStore = Store & {
  /** Every row of a table, wherever it lies, then every update of it in the journal. Not to be used by two at once. */
  rows(table: TableName): Iterable<StoredRow>;
};

/**
 * Opens the file of a stopped server to look at it, and writes nothing into it: not even what a crash has left is brought to
 * its place. Updates in the journal are read from there, the newest of each key. Rows whose keys are indexed late (kept
 * replies) are not found by their key.
 * @throws StoreOwnedError while a server has the file; StoreUnavailableError where there is none; StoreSchemaError when it was
 *   written by a newer release, or by an older one and this one's server has not opened it since.
 */
export function openSqliteReadOnly(file: string): ReadOnlyStore {
  if (!existsSync(file)) throw new StoreUnavailableError(`there is no store at ${file}`);
  const ownership = takeOwnership(canonicalFile(file));
  try {
    const hot = createHotItems(0);
    readJournal(file, hot);
    const db = new DatabaseSync(file, { readOnly: true, timeout: 1_000 });
    const store = readingStore(openReader(file, createOverlay(), hot), () => {
      db.close();
      ownership.release();
    });
    return { ...store, rows: (table) => rowsOf(db, table) };
  } catch (error) {
    ownership.release();
    throw error;
  }
}

/**
 * Opens the file beside the store of this process that owns it, for another thread that only reads. It sees what is committed
 * of tables whose rows are always at their place; not the newest of hot tables, nor kept replies by their key.
 */
export function openSqliteReader(file: string): Store {
  return readingStore(openReader(file, createOverlay(), createHotItems(0)), () => undefined);
}

function* rowsOf(db: DatabaseSync, table: TableName): Generator<StoredRow> {
  const { sql, name, range } = layoutFor(table);
  for (const row of db.prepare(`SELECT hash, ${range === undefined ? "" : "range, "}body FROM ${sql} ORDER BY seq`).iterate())
    yield {
      hash: String(row["hash"]),
      ...(range === undefined ? {} : { range: String(row["range"]) }),
      item: parsed(row["body"]),
    };
  for (const journal of ["journal_0", "journal_1"])
    for (const row of db.prepare(`SELECT hash, body FROM ${journal} WHERE name = ? AND body IS NOT NULL`).iterate(name))
      yield { hash: String(row["hash"]), item: parsed(row["body"]) };
}

function parsed(body: unknown): unknown {
  try {
    return JSON.parse(String(body)) as unknown;
  } catch {
    return undefined;
  }
}

function readingStore(reader: Reader, release: () => void): Store {
  const no = { outcome: "unavailable", cause: new StoreUnavailableError("the store was opened for reading only") } as const;
  return {
    limits: { writesPerCommit: 0, itemBytes: 0, commitsInFlight: 1, batchChunk: 1 },
    async get(table, key) {
      validateRefs([{ table, key }]);
      return reader.get(layoutFor(table), key);
    },
    async getMany(refs) {
      validateRefs(refs);
      return reader.getMany(refs);
    },
    async query(query) {
      validateQuery(query);
      return reader.query(query);
    },
    commit: () => Promise.resolve(no),
    async feed(cursor, limit) {
      return reader.feed(cursor, limit);
    },
    async ping() {
      reader.ping();
    },
    purgeExpired: () => Promise.resolve(0),
    async close() {
      reader.close();
      release();
    },
  };
}

/** Takes the newest entry of each key; one without a body says that the row at its place is newer. */
function readJournal(file: string, hot: HotItems): void {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 1_000 });
  try {
    assertCurrent(db, file);
    const named = new Map(layouts.map((layout) => [layout.name as string, layout]));
    const rows = db.prepare(
      "SELECT name, hash, body, seq FROM journal_0 UNION ALL SELECT name, hash, body, seq FROM journal_1 ORDER BY seq",
    );
    for (const row of rows.iterate()) {
      const layout = named.get(String(row["name"]));
      if (layout === undefined) continue;
      const [hash, body] = [String(row["hash"]), row["body"]];
      // Not decoded here: one that is damaged is found by whoever reads it, as a row at its place is.
      if (typeof body === "string") hot.written(layout, hash, body, NEVER);
      else hot.removed(layout, hash);
    }
  } finally {
    db.close();
  }
}
