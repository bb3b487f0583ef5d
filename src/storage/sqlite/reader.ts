import { DatabaseSync, type StatementSync } from "node:sqlite";
import { invariant } from "#kernel/assert.ts";
import { InvalidCursorError } from "../port.ts";
import type { FeedPage, Item, Key, Page, Query, Ref } from "../port.ts";
import type { TableItem } from "../state-hash.ts";
import { FEED_TABLE } from "../tables.ts";
import { READ_LIMIT } from "../validate-commit.ts";
import type { HotItems } from "./hot-items.ts";
import { keyCondition, type Layout, layoutFor, layouts } from "./layout.ts";
import type { Overlay } from "./overlay.ts";
import { type QueryStatements, runQuery } from "./query.ts";
import { keyTable } from "./statements.ts";

/** Reads on the calling thread: prepared statements on a connection of their own, a few microseconds each. */
export interface Reader {
  get(layout: Layout, key: Key): Item | undefined;
  getMany(refs: readonly Ref[]): (Item | undefined)[];
  query(query: Query): Page;
  feed(cursor: string | undefined, limit: number): FeedPage;
  ping(): void;
  /**
   * Brings up to `limit` rows of a hot table into memory, the newest first, from those before `seq`.
   * @returns the `seq` to go on from; `undefined` when there are no more
   */
  warm(layout: Layout, seq: number, limit: number): number | undefined;
  /** Rows of one table after `seq`, at their places: what is deferred is not seen. */
  dump(layout: Layout, seq: number): { readonly items: readonly TableItem[]; readonly seq: number };
  close(): void;
}

const FEED_CURSOR = /^(0|[1-9][0-9]{0,15})$/;
const DUMP_ROWS = 1_000;

const decode = (body: unknown): Item => JSON.parse(body as string) as Item;

/**
 * Opens the reading connection. It sees committed transactions only (SQLite shows a transaction to others
 * after its frames are on disk), each statement the newest ones.
 */
export function openReader(file: string, overlay: Overlay, hot: HotItems): Reader {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 1_000 });
  db.exec("PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY");
  const gets = layouts.map((layout) => {
    const { sql } = layout;
    if (layout.deferral === "key")
      return db.prepare(`SELECT body FROM ${sql} WHERE seq = (SELECT seq FROM ${keyTable(layout)} WHERE hash = ?)`);
    return db.prepare(`SELECT body FROM ${sql} WHERE ${keyCondition(layout)}`);
  });
  const bySeq = layouts.map(({ sql }) => db.prepare(`SELECT body FROM ${sql} WHERE seq = ? AND hash = ?`));
  const feedRows = db.prepare(`SELECT seq, body FROM "${FEED_TABLE}" WHERE seq > ? ORDER BY seq LIMIT ?`);
  const dumps = layouts.map(({ sql }) => db.prepare(`SELECT seq, body FROM ${sql} WHERE seq > ? ORDER BY seq LIMIT ?`));
  const warms = layouts.map(({ sql }) => db.prepare(`SELECT seq, hash, body FROM ${sql} WHERE seq < ? ORDER BY seq DESC LIMIT ?`));
  const ping = db.prepare("SELECT count(*) FROM (SELECT 1 FROM sqlite_schema LIMIT 1)");
  const prepared: QueryStatements = { statements: new Map<string, StatementSync>(), prepare: (sql) => db.prepare(sql) };

  /** A row whose key is indexed later. Gone when it was deleted, or replaced by a commit not acknowledged yet. */
  const unindexed = (layout: Layout, hash: string): unknown => {
    const seq = overlay.find(layout, hash);
    return seq === undefined ? undefined : bySeq[layout.number]?.get(seq, hash)?.["body"];
  };

  const get = (layout: Layout, { hash, range }: Key): Item | undefined => {
    if (layout.hot) {
      const item = hot.get(layout, hash);
      if (item !== undefined) return item;
    }
    const statement = gets[layout.number];
    const body =
      (layout.deferral === "key" ? unindexed(layout, hash) : undefined) ??
      (range === undefined ? statement?.get(hash) : statement?.get(hash, range))?.["body"];
    if (body === undefined) return undefined;
    const item = decode(body);
    if (layout.hot) hot.read(layout, hash, item);
    return item;
  };

  return {
    get,
    getMany: (refs) => refs.map(({ table, key }) => get(layoutFor(table), key)),
    query(query) {
      const layout = layoutFor(query.table);
      if (query.index === undefined && layout.range === undefined) {
        const item = query.cursor === undefined ? get(layout, { hash: query.hash }) : undefined;
        return { items: item === undefined ? [] : [item] };
      }
      // A row whose update is still in the journal is shown as the journal has it; its index entries are those of its place.
      return runQuery(prepared, layout, query, (hash, body) =>
        layout.deferral === "nothing" ? decode(body) : (get(layout, { hash }) ?? decode(body)),
      );
    },
    feed(cursor, limit) {
      invariant(Number.isSafeInteger(limit) && limit >= 1 && limit <= READ_LIMIT, `a feed limit of ${limit}`);
      if (cursor !== undefined && !FEED_CURSOR.test(cursor)) throw new InvalidCursorError("the cursor is not one of the feed");
      const rows = feedRows.all(Number(cursor ?? 0), limit);
      const last = rows.at(-1);
      return { items: rows.map((row) => decode(row["body"])), cursor: last === undefined ? (cursor ?? "0") : String(last["seq"]) };
    },
    ping: () => void ping.get(),
    warm(layout, seq, limit) {
      const rows = warms[layout.number]?.all(seq, limit) ?? [];
      for (const row of rows) hot.readAhead(layout, row["hash"] as string, row["body"] as string);
      return rows.length < limit ? undefined : (rows.at(-1)?.["seq"] as number);
    },
    dump(layout, seq) {
      const rows = dumps[layout.number]?.all(seq, DUMP_ROWS) ?? [];
      return { items: rows.map((row) => ({ table: layout.name, item: decode(row["body"]) })), seq: Number(rows.at(-1)?.["seq"] ?? -1) };
    },
    close: () => db.close(),
  };
}
