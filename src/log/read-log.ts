import type { Actor } from "#audit/index.ts";
import type { CommitQueue } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import { isGood, toTimestamp } from "#kernel/clock.ts";
import type { Ids } from "#kernel/ids.ts";

export interface ReadLogDeps {
  readonly queue: CommitQueue;
  readonly ids: Ids;
  readonly clock: Clock;
  /** Told when an event could not be kept. */
  readonly onLost: (why: unknown) => void;
}

/** Who has read the audit log (PCI DSS 10.2.1.3). */
export interface ReadLog {
  /** A key has read events. Costs a look into a map. */
  note(actor: Actor, operation: string): void;
  /** Leaves one event for each key that has read since a minute ago or longer; of all at the end of the process. */
  flush(all?: boolean): Promise<void>;
}

interface Tally {
  readonly since: number;
  readonly reads: Map<string, number>;
  last: Actor;
}

const MINUTE_MS = 60_000;
/** Keys that are told apart; the readings of further ones are in the access log alone. */
const MAX_KEYS = 10_000;

/**
 * Reading the log is an event of the log. One for each reading would let a reader that polls write as much as it reads, so the
 * readings of a key are counted and told once a minute. Who and what and when stands in the access log at once.
 */
export function createReadLog({ queue, ids, clock, onLost }: ReadLogDeps): ReadLog {
  const tallies = new Map<string, Tally>();

  const tell = async ({ since, reads, last }: Tally): Promise<void> => {
    const event = {
      id: ids.next("event"),
      type: "audit_log.read" as const,
      objectId: readerOf(last),
      details: { since: toTimestamp(since), reads: Object.fromEntries(reads) },
    };
    try {
      const decide = () => ({ reply: { status: 204, body: "" }, changes: [], events: [event] });
      const executed = await queue.execute({ actor: last, needs: [], decide });
      if (!executed.ok) onLost(executed.code);
    } catch (error) {
      onLost(error);
    }
  };

  return {
    note(actor, operation) {
      const who = readerOf(actor);
      let tally = tallies.get(who);
      if (tally === undefined) {
        if (tallies.size >= MAX_KEYS) return;
        tally = { since: clock.now(), reads: new Map(), last: actor };
        tallies.set(who, tally);
      }
      tally.reads.set(operation, (tally.reads.get(operation) ?? 0) + 1);
      tally.last = actor;
    },
    async flush(all = false) {
      const now = clock.now();
      const over = [...tallies].filter(([, { since }]) => all || !isGood(since + MINUTE_MS, MINUTE_MS, now));
      for (const [who] of over) tallies.delete(who);
      await Promise.all(over.map(([, tally]) => tell(tally)));
    },
  };
}

/** Whose readings are counted together: those of a key, or of an operator. */
const readerOf = (actor: Actor): string => actor.apiKeyId ?? actor.operatorId ?? actor.organisationId;
