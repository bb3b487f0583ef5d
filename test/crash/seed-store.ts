import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { openAccountFor } from "#accounts/index.ts";
import { createApp } from "#app.ts";
import { createOrganisation } from "#bootstrap.ts";
import type { Asked, Executed } from "#commit/index.ts";
import { readConfig } from "#config.ts";
import { createUser } from "#identity/index.ts";
import { systemClock } from "#kernel/clock.ts";
import type { AccountId, OrganisationId, UserId } from "#kernel/ids.ts";
import type { Currency } from "#kernel/money.ts";
import { systemRandom } from "#kernel/random.ts";
import { openStore } from "#open-store.ts";
import { createAccountFacts, deposit } from "#payments/index.ts";
import type { Store } from "#storage/index.ts";
import { openLocalKms } from "#vault/index.ts";
import { credentials, settingsOf, type StoreChoice } from "./server-process.ts";

export interface SeedOrder {
  readonly dataDir: string;
  readonly store: StoreChoice;
  readonly accounts: number;
  readonly users: number;
}

export interface Seeded {
  readonly organisationId: OrganisationId;
  readonly apiKey: string;
  readonly users: number;
  /** Account n belongs to user n modulo `users`. */
  readonly accounts: readonly string[];
  /** The deposit that funded each account. */
  readonly transactions: readonly string[];
}

const CURRENCY = "EUR" as Currency;
/** Minor units: a million euros an account, so that no run drains one. */
const FUNDS = 100_000_000;
/** The most a key may be given: every request is counted against it, none is refused by it. */
const RATE_LIMIT_PER_MINUTE = 10_000_000;
/** Commands under way at once; the commit queue groups them. */
const AT_ONCE = 1_000;
const PROGRESS_EVERY_MS = 2_000;

/** Opens the store that a server on this data would open. @throws what the engine throws; a fatal fault is thrown out of any context */
export function openData(store: StoreChoice, dataDir: string): Promise<Store> {
  Object.assign(process.env, credentials());
  return openStore(readConfig(settingsOf(store, dataDir, 0)), systemClock, systemRandom(), (error) => {
    throw error;
  });
}

/**
 * Fills an empty store by the product's own commands, through its commit queue, in this process: an organisation
 * with a key, users, and a funded account each of them. Nothing is written past the ledger.
 */
export async function seedStore(order: SeedOrder, tell: (line: string) => void): Promise<Seeded> {
  const clock = systemClock;
  const random = systemRandom();
  mkdirSync(order.dataDir, { recursive: true, mode: 0o700 });
  const kms = await openLocalKms({ file: join(order.dataDir, "kms.json"), random });
  const store = await openData(order.store, order.dataDir);
  const logger = pino({ level: "silent" });
  const app = createApp({ store, kms, clock, random, logger, auditLog: () => undefined, trustedProxyHops: 0, version: "seed" });
  const deps = { ...app, store, clock, random, facts: createAccountFacts(store) };
  const made = await createOrganisation(deps, { name: "Load", environment: "test", rateLimitPerMinute: RATE_LIMIT_PER_MINUTE });
  const { organisationId } = made;
  const actor = { organisationId, apiKeyId: made.apiKeyId, ip: null, userAgent: null, requestId: null };
  const asked: Asked = { actor, idempotency: undefined };

  /** Runs `count` commands, some at a time, and gives the ids of what they made. */
  const many = async (what: string, count: number, run: (n: number) => Promise<Executed>): Promise<string[]> => {
    const ids: string[] = Array.from({ length: count }, () => "");
    const began = performance.now();
    let next = 0;
    const progress = setInterval(() => tell(`${what}: ${next} of ${count}`), PROGRESS_EVERY_MS);
    const lane = async (): Promise<void> => {
      for (let n = next++; n < count; n = next++) {
        const executed = await run(n);
        if (!executed.ok || executed.reply.status !== 201) throw new Error(`${what} ${n}: ${JSON.stringify(executed)}`);
        ids[n] = (JSON.parse(executed.reply.body) as { id: string }).id;
      }
    };
    try {
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, lane));
    } finally {
      clearInterval(progress);
    }
    tell(`${count} ${what} in ${((performance.now() - began) / 1000).toFixed(1)} s`);
    return ids;
  };

  const users = await many("users", order.users, (n) => createUser(deps, asked, { name: `Customer ${n}` }));
  const accounts = await many("accounts", order.accounts, (n) =>
    openAccountFor(deps, asked, { type: "checking", currency: CURRENCY, user_id: users[n % users.length] as UserId }),
  );
  const transactions = await many("deposits", order.accounts, (n) =>
    deposit(deps, asked, { account_id: accounts[n] as AccountId, amount: FUNDS, currency: CURRENCY }),
  );
  await app.queue.drain();
  // Closing settles and checkpoints the file, so that copies of it begin alike.
  await store.close();
  return { organisationId, apiKey: made.apiKey, users: users.length, accounts, transactions };
}
