import { timeOf } from "#audit/index.ts";
import { canonicalJson } from "#kernel/canonical-json.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Item, Store } from "#storage/index.ts";
import { checkpointObject, eventsObject, nextLeaves } from "./archive-objects.ts";
import type { ArchiveSink, LineSink, SinkLine } from "./port.ts";
import type { Progress } from "./progress.ts";
import type { SealedLog } from "./sealed-log.ts";

/** Events handed to a sink of lines at once. */
const PAGE = 1_000;

export interface DrainDeps {
  readonly store: Store;
  readonly log: SealedLog;
  readonly clock: Clock;
}

/** What a step changes of a sink's progress; `undefined` when there was nothing to do. */
export type Advance = Partial<Omit<Progress, "version">> | undefined;

/** The event as standard output has it. Its address and software are in it: what has to be erased is not sent to where it cannot be. */
export function lineOf(item: Item): SinkLine {
  // What is no event, only somebody else than this program has written: it is told like one, and those behind it do not wait.
  const isEvent = typeof (item as unknown) === "object" && (item as unknown) !== null;
  const { partition: _partition, ...event }: Item = isEvent ? item : { row: item };
  return { eventId: typeof event.event_id === "string" ? event.event_id : "", at: timeOf(event), text: textOf(event) };
}

/** The RFC 8785 text; that of any other JSON where half a character has none. */
function textOf(event: Item): string {
  try {
    return canonicalJson(event);
  } catch {
    return JSON.stringify(event);
  }
}

/** The time of the newest event that a sink has with these. */
function newestOf({ newest }: Progress, taken: readonly { readonly at: number }[]): number {
  return taken.reduce((most, { at }) => Math.max(most, at), newest ?? 0);
}

/** Sends what the feed has behind the cursor. First the sending, then the cursor: a kill in between sends some twice. */
export async function drainLines({ store, clock }: DrainDeps, sink: LineSink, progress: Progress): Promise<Advance> {
  const page = await store.feed(progress.cursor ?? undefined, PAGE);
  // Without events and further on: they are gone from the table, and what lies behind them is not.
  if (page.items.length === 0) return page.cursor === progress.cursor ? undefined : { cursor: page.cursor };
  const lines = page.items.map(lineOf);
  await sink.send(lines);
  return {
    cursor: page.cursor,
    position: progress.position + lines.length,
    newest: newestOf(progress, lines),
    tookAt: clock.now(),
    error: null,
  };
}

/**
 * One step of an archive: makes a plan, or writes the next object of the plan. The plan is kept before anything is written, and
 * what an object holds follows from plan and position alone, so that after a kill the same object is written again.
 */
export async function drainArchive({ log, clock }: DrainDeps, sink: ArchiveSink, progress: Progress): Promise<Advance> {
  const { position, plan } = progress;
  const now = clock.now();
  if (plan === null) {
    const head = await log.head();
    if (head === undefined || head.size <= position) return undefined;
    if (head.size - position < sink.every.leaves) {
      const [oldest] = await log.leaves(position, position + 1);
      // One whose time is further ahead has it from a clock that was wrong: nobody waits for that.
      if (oldest !== undefined && Math.abs(now - oldest.at) < sink.every.ms) return undefined;
    }
    return { plan: { size: head.size, checkpoint: head.text } };
  }
  const taken = { place: sink.place ?? null, tookAt: now, error: null };
  if (position >= plan.size) {
    await sink.put(checkpointObject(plan));
    return { ...taken, plan: null };
  }
  const leaves = await nextLeaves(log, position, plan.size);
  await sink.put(eventsObject(position, leaves));
  return { position: position + leaves.length, newest: newestOf(progress, leaves), ...taken };
}
