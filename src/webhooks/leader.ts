import type { Clock } from "#kernel/clock.ts";
import { isGood } from "#kernel/clock.ts";
import type { Store, TableName, Write } from "#storage/index.ts";

export const STATE_TABLE = "smartfinance-webhook-state";
const TERM = { hash: "term" } as const;
const LEASE = { hash: "lease" } as const;

/** How long a leader that says nothing is taken for alive. Spares work; correctness rests on the term. */
const LEASE_MS = 10_000;
const RENEW_MS = 3_000;

/**
 * Which node works. There is one term record; whoever takes over raises its version, and every commit of a leader checks
 * the version it began with. So one that was stopped for a minute and goes on as if nothing had happened writes nothing.
 * The lease beside it only says when to take over: clocks that differ cost a change of leader, never an event.
 */
export interface Leader {
  /** The check that every commit of this term begins with, one object for each term; `undefined` while this node does not lead. */
  fence(): Write | undefined;
  /** Takes over, renews, or finds that another one leads. Throws what the store throws. @returns whether this node leads */
  keep(): Promise<boolean>;
  /** A commit of this term failed its check: another one has taken over. */
  lost(): void;
  /** Lets another node take over at once. */
  resign(): Promise<void>;
}

export interface LeaderDeps {
  readonly store: Store;
  readonly clock: Clock;
  /** Of this process, and of no other. */
  readonly name: string;
  /** Where term and lease are kept, as `term` and `lease`; each kind of work has its own. That of the webhooks where absent. */
  readonly table?: TableName;
}

export function createLeader({ store, clock, name, table = STATE_TABLE }: LeaderDeps): Leader {
  /** An embedded store has one process, so a lease in it that is not ours is of a process that has ended. */
  const exclusive = store.limits.ordered === true;
  let check: Write | undefined;
  let until = 0;
  /** Until when the lease of another was when it was met last, and when it was first met so. */
  let met = { until: 0, at: 0 };

  const lease = (end: number): Write => ({
    op: "put",
    table,
    item: { id: LEASE.hash, owner: name, until: end },
    condition: "none",
  });

  /**
   * Whether another one may be alive. A lease may also end so late because its clock is ahead, or this one was set back: then it counts as
   * long as it is renewed. Two whose clocks differ would take it from each other for ever otherwise.
   */
  const isAlive = (leasedUntil: number, now: number): boolean => {
    if (leasedUntil <= now) return false;
    if (met.until !== leasedUntil || now < met.at) met = { until: leasedUntil, at: now };
    return now < met.at + LEASE_MS;
  };

  const takeOver = async (now: number): Promise<boolean> => {
    const [held, leased] = await store.getMany([
      { table, key: TERM },
      { table, key: LEASE },
    ]);
    const version = held === undefined ? 0 : Number(held.version);
    // What was not known when it was tried turned out well.
    const mine = held?.owner === name;
    if (!mine && !exclusive && leased !== undefined && isAlive(Number(leased.until), now)) return false;
    const result = await store.commit([
      {
        op: "put",
        table,
        item: { id: TERM.hash, owner: name, version: version + 1 },
        condition: version === 0 ? "absent" : { version },
      },
      lease(now + LEASE_MS),
    ]);
    if (result.outcome !== "committed") return false;
    check = { op: "check", table, key: TERM, condition: { version: version + 1 } };
    until = now + LEASE_MS;
    return true;
  };

  return {
    fence: () => check,
    async keep() {
      const now = clock.now();
      if (check === undefined) return takeOver(now);
      if (isGood(until - LEASE_MS + RENEW_MS, RENEW_MS, now)) return true;
      const result = await store.commit([check, lease(now + LEASE_MS)]);
      if (result.outcome === "committed") until = now + LEASE_MS;
      else if (result.outcome === "conflict" && result.writes.length > 0) check = undefined;
      // Others may have taken over by now; what is in flight is fenced, and nothing new begins.
      else if (!isGood(until, LEASE_MS, clock.now())) check = undefined;
      return check !== undefined;
    },
    lost() {
      check = undefined;
    },
    async resign() {
      const last = check;
      check = undefined;
      if (last !== undefined) await store.commit([last, lease(0)]);
    },
  };
}
