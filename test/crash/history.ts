import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, type Kept, openClient, type Sending } from "./client.ts";
import type { Seeded } from "./seed-store.ts";

const LANES = 24;
const BATCH = 20;
/** Of a hundred requests so many are batches, and so many are holds; the others are single transfers. */
const BATCHES = 8;
const HOLDS = 10;
/** How long an answer to a repetition may be refused because the store is still coming back. */
const REPEATS_MAX = 100;
const REPEAT_EVERY_MS = 50;
/** How long the first answer of a load is waited for. */
const FIRST_ANSWER_MS = 10_000;

/** Everything that was sent, and what of it was answered. */
export interface History {
  /**
   * Sends all kinds of requests over many connections until what `until` gives resolves; then waits for what is open. `until` is called with the
   * first answer, so that on a busy machine, too, something is done before; where none comes, after some seconds.
   */
  load(port: number, until: () => Promise<void>): Promise<{ readonly answered: number; readonly open: number }>;
  /**
   * Sends again everything that was sent since the last call. What had been answered must be answered with the same
   * bytes, as a replay; what had not must be done now, or turn out to have been done, and then replay as well.
   */
  repeatAll(port: number): Promise<{ readonly replayed: number; readonly finished: number }>;
  /** Sends one request that must succeed, and keeps it like the others. */
  settle(client: Client, sending: Sending): Promise<Kept>;
  /** The ids of all transactions that answers told of. */
  readonly transactions: ReadonlySet<string>;
  /** The ids of the holds that were authorised and not used yet. */
  readonly holds: string[];
}

/** A server error or a refusal that says nothing was decided: the key may be tried again. */
const isUndecided = ({ status }: Kept): boolean => status >= 500 || status === 409;

export function createHistory(seeded: Seeded, seed: number): History {
  const { accounts, apiKey } = seeded;
  const transactions = new Set<string>(seeded.transactions);
  const holds: string[] = [];
  /** Since the last `repeatAll`. */
  let recent: { readonly sending: Sending; kept: Kept | undefined }[] = [];
  let count = 0;
  let state = seed >>> 0 || 1;

  const draw = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const transfer = () => {
    const from = draw(accounts.length);
    const to = (from + 1 + draw(accounts.length - 1)) % accounts.length;
    return {
      from_account_id: accounts[from],
      to_account_id: accounts[to],
      amount: 1 + draw(9_999),
      currency: "EUR",
      metadata: { number: String(count) },
      context: { device_id: `device-${from % seeded.users}`, country: "DE" },
    };
  };
  const next = (): Sending => {
    count += 1;
    const key = `crash-${seed}-${count}`;
    const kind = draw(100);
    if (kind < BATCHES) {
      const body = { mode: "independent", transfers: Array.from({ length: BATCH }, transfer) };
      return { path: "/v1/transfers/batch", key, body: JSON.stringify(body) };
    }
    return { path: kind < BATCHES + HOLDS ? "/v1/holds" : "/v1/transfers", key, body: JSON.stringify(transfer()) };
  };

  /** Learns what an answer tells of; every one of these must be found in the data, and nothing else. */
  const learn = ({ path }: Sending, { status, body }: Kept): void => {
    assert.ok(status < 300, `${path} was refused: ${status} ${body}`);
    const object = JSON.parse(body) as { readonly object: string; readonly id: string; readonly results?: readonly Result[] };
    if (object.object === "transaction") transactions.add(object.id);
    if (object.object === "hold" && path === "/v1/holds") holds.push(object.id);
    for (const result of object.results ?? []) {
      assert.ok(result.transaction_id !== undefined, `one of a batch was refused: ${JSON.stringify(result)}`);
      transactions.add(result.transaction_id);
    }
  };

  /** Repeats one request until it is decided. */
  const insist = async (client: Client, sending: Sending): Promise<Kept> => {
    for (let attempt = 1; attempt <= REPEATS_MAX; attempt++) {
      const kept = await client.post(sending);
      if (!isUndecided(kept)) return kept;
      await sleep(REPEAT_EVERY_MS);
    }
    throw new Error(`${sending.key} is never decided`);
  };

  const withLanes = async (port: number, lane: (client: Client) => Promise<void>): Promise<void> => {
    await Promise.all(
      Array.from({ length: LANES }, async () => {
        const client = openClient(port, apiKey);
        try {
          await lane(client);
        } finally {
          client.close();
        }
      }),
    );
  };

  return {
    transactions,
    holds,
    async load(port, until) {
      let over = false;
      let first = (): void => undefined;
      const begun = new Promise<void>((resolve) => (first = resolve));
      const ended = Promise.race([begun, sleep(FIRST_ANSWER_MS, undefined, { ref: false })])
        .then(until)
        .then(() => {
          over = true;
        });
      const before = recent.length;
      await withLanes(port, async (client) => {
        while (!over) {
          const entry: (typeof recent)[number] = { sending: next(), kept: undefined };
          recent.push(entry);
          let kept: Kept;
          try {
            kept = await client.post(entry.sending);
          } catch {
            // The server is gone: nobody knows whether this one was done.
            return;
          }
          if (isUndecided(kept)) continue;
          learn(entry.sending, kept);
          entry.kept = kept;
          first();
        }
      });
      await ended;
      const sent = recent.slice(before);
      const answered = sent.filter(({ kept }) => kept !== undefined).length;
      return { answered, open: sent.length - answered };
    },
    async repeatAll(port) {
      const entries = recent;
      recent = [];
      let position = 0;
      let replayed = 0;
      let finished = 0;
      await withLanes(port, async (client) => {
        for (let entry = entries[position++]; entry !== undefined; entry = entries[position++]) {
          let first = entry.kept;
          if (first === undefined) {
            first = await insist(client, entry.sending);
            learn(entry.sending, first);
            finished += 1;
          }
          const again = await insist(client, entry.sending);
          assert.deepEqual(again, { ...first, replayed: true }, `the repetition of ${entry.sending.key} differs`);
          replayed += 1;
        }
      });
      return { replayed, finished };
    },
    async settle(client, sending) {
      const kept = await insist(client, sending);
      learn(sending, kept);
      recent.push({ sending, kept });
      return kept;
    },
  };
}

interface Result {
  readonly transaction_id?: string;
}
