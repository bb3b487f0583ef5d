import type { Clock } from "#kernel/clock.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { lineOf } from "./drain.ts";
import type { Sink } from "./port.ts";
import { readProgress } from "./progress.ts";
import type { SealedLog } from "./sealed-log.ts";

export interface SinkStatusDeps {
  readonly store: Store;
  readonly log: SealedLog;
  readonly clock: Pick<Clock, "now">;
  readonly sinks: readonly Sink[];
}

/** Pages of the feed looked through for an event, and events of one. */
const PAGES = 20;
const PAGE = 100;

/** When the oldest event was committed that a sink does not have yet, ms; `undefined` when it has all there are. */
async function oldestWaiting(
  { store, log }: SinkStatusDeps,
  sink: Sink,
  position: number,
  cursor: string | null,
): Promise<number | undefined> {
  if (sink.takes === "lines") {
    let from = cursor ?? undefined;
    for (let page = 0; page < PAGES; page++) {
      const { items, cursor: next } = await store.feed(from, page === 0 ? 1 : PAGE);
      const [first] = items;
      if (first !== undefined) return lineOf(first).at;
      if (next === from) return undefined;
      // Gone from the table: what lies behind waits.
      from = next;
    }
    return undefined;
  }
  const head = await log.head();
  if (head === undefined || head.size <= position) return undefined;
  return (await log.leaves(position, position + 1))[0]?.at;
}

/** How each sink stands, as the API shows it; the same from every node. @throws StoreUnavailableError */
export async function sinkStatus(deps: SinkStatusDeps): Promise<readonly JsonObject[]> {
  const now = deps.clock.now();
  return Promise.all(
    deps.sinks.map(async (sink) => {
      const { position, cursor, newest, tookAt, error } = await readProgress(deps.store, sink);
      const oldest = await oldestWaiting(deps, sink, position, cursor).catch((failure: unknown) => {
        if (failure instanceof StoreUnavailableError) throw failure;
        // What comes next was changed in the store, which is why the sink stands still: it does so since its newest event.
        return newest ?? error?.at ?? now;
      });
      const shown = (at: number | null): string | null => (at === null ? null : toTimestamp(at));
      return {
        object: "audit_sink",
        name: sink.name,
        status: error === null ? "ok" : "failing",
        position,
        lag_seconds: oldest === undefined ? 0 : Math.max(0, Math.floor((now - oldest) / 1_000)),
        newest_event_at: shown(newest),
        last_success_at: shown(tookAt),
        last_error: error === null ? null : error.text,
        last_error_at: error === null ? null : toTimestamp(error.at),
      };
    }),
  );
}
