import { Worker } from "node:worker_threads";
import { type CommitResult, type Store, StoreUnavailableError, type Write } from "../port.ts";
import type { InspectableStore, TableItem } from "../state-hash.ts";
import { validateCommit, validateQuery, validateRefs } from "../validate-commit.ts";
import { encodeCommit } from "./encode-commit.ts";
import { canonicalFile, takeOwnership } from "./files.ts";
import { createHotItems } from "./hot-items.ts";
import { layoutFor, layouts } from "./layout.ts";
import { createOverlay } from "./overlay.ts";
import { expectedOf, isDeferred, kindOf, takesSeq } from "./protocol.ts";
import { openReader } from "./reader.ts";
import { warmUp } from "./warm-up.ts";
import { openWriter } from "./writer-client.ts";

export interface SqliteOptions {
  /** The database file; made with its directory where missing. Beside it lie `-wal`, `-shm` and `.lock`. */
  readonly file: string;
  /** How many decoded items of hot tables are kept in memory. Default 200,000. */
  readonly cacheItems?: number;
  /**
   * Called once when the state of the file has become unknown: a COMMIT failed or the writer died. The store answers
   * nothing from then on; the process should end, and looks again from the file when it starts.
   */
  readonly onFatal?: (error: Error) => void;
}

/** For tests of faults: another script in the writer's place. Not part of any configuration. */
export interface SqliteInternals {
  readonly writer: URL;
  readonly writerData?: Readonly<Record<string, unknown>>;
}

export type SqliteStore = InspectableStore;

const limits: Store["limits"] = { writesPerCommit: 20_000, itemBytes: 4_000_000, commitsInFlight: 4, batchChunk: 100, ordered: true };
const CACHE_ITEMS = 200_000;

/**
 * Opens the embedded engine (ADR: docs/adr). One process owns the file.
 * @throws StoreOwnedError when another process, or another store of this one, has the file.
 * @throws StoreSchemaError when the file was written by a newer release.
 */
export function openSqliteStore(options: SqliteOptions): Promise<SqliteStore> {
  return openWith(options, { writer: new URL("./writer.ts", import.meta.url) });
}

/** `openSqliteStore` with another writer: for tests in this folder. */
export async function openWith(options: SqliteOptions, internals: SqliteInternals): Promise<SqliteStore> {
  const file = canonicalFile(options.file);
  const ownership = takeOwnership(file);
  const overlay = createOverlay();
  const hot = createHotItems(options.cacheItems ?? CACHE_ITEMS);

  /** A commit was acknowledged: what is known of its keys here changes now, and not before. */
  const acknowledged = (writes: readonly Write[], firstSeq: number, generation: number): void => {
    let seq = firstSeq;
    for (const write of writes) {
      const layout = layoutFor(write.table);
      const kind = kindOf(write);
      if (!takesSeq(layout, kind)) continue;
      const hash = write.op === "put" ? (write.item[layout.hash] as string) : write.key.hash;
      const deferred = isDeferred(layout, kind, expectedOf(write.condition));
      if (layout.hot) {
        if (write.op === "put") hot.written(layout, hash, write.item, deferred ? generation : undefined);
        else hot.removed(layout, hash);
      } else if (deferred) overlay.appended(generation, layout, hash, seq);
      else if (write.op === "delete") overlay.removed(layout, hash);
      seq += 1;
    }
  };

  const writer = await openWriter({
    worker: () => new Worker(internals.writer, { workerData: { file, ...internals.writerData } }),
    acknowledged,
    folded: (generation) => {
      overlay.folded(generation);
      hot.folded(generation);
    },
    onFatal: (error) => options.onFatal?.(error),
  }).catch((error: unknown) => {
    ownership.release();
    throw error;
  });
  let nextSeq = writer.nextSeq;
  const reader = openReader(file, overlay, hot);
  const warming = warmUp(reader, hot, options.cacheItems ?? CACHE_ITEMS);
  let closing: Promise<void> | undefined;

  const assertOpen = (): void => {
    if (closing !== undefined) throw new StoreUnavailableError("the store is closed");
    const fatal = writer.fatal();
    // What the file says may be ahead of what is known here (an unknown commit that was written), so reads end too.
    if (fatal !== undefined) throw new StoreUnavailableError("the store has stopped", { cause: fatal });
  };

  const close = async (): Promise<void> => {
    warming.stop();
    try {
      await writer.close();
    } finally {
      reader.close();
      ownership.release();
    }
  };

  return {
    limits,
    async get(table, key) {
      assertOpen();
      validateRefs([{ table, key }]);
      return reader.get(layoutFor(table), key);
    },
    async getMany(refs) {
      assertOpen();
      validateRefs(refs);
      return reader.getMany(refs);
    },
    async query(query) {
      assertOpen();
      validateQuery(query);
      return reader.query(query);
    },
    async commit(writes): Promise<CommitResult> {
      validateCommit(writes, limits);
      if (closing !== undefined) return { outcome: "unavailable", cause: new StoreUnavailableError("the store is closed") };
      const full = writer.refusal();
      if (full !== undefined) return { outcome: "unavailable", cause: full };
      const encoded = encodeCommit(writes, nextSeq, limits);
      nextSeq += encoded.seqs;
      return writer.commit(writes, encoded);
    },
    async feed(cursor, limit) {
      assertOpen();
      return reader.feed(cursor, limit);
    },
    async ping() {
      assertOpen();
      reader.ping();
      await writer.ask({ ask: "ping" });
    },
    async purgeExpired(nowSeconds) {
      assertOpen();
      return writer.ask({ ask: "purge", nowSeconds });
    },
    async *dump(): AsyncGenerator<TableItem> {
      assertOpen();
      await writer.ask({ ask: "settle" });
      for (const layout of layouts) {
        for (let page = reader.dump(layout, 0); page.items.length > 0; page = reader.dump(layout, page.seq)) yield* page.items;
      }
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}
