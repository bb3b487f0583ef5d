import type { Actor } from "#audit/index.ts";
import { defaultScaPolicy } from "#authentications/index.ts";
import { createAccountFacts, showPosted } from "#payments/index.ts";
import type { PaymentDeps } from "#payments/index.ts";
import { createCommitQueue } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import { createIds } from "#kernel/ids.ts";
import type { Id, Ids, OrganisationId } from "#kernel/ids.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import type { Random } from "#kernel/random.ts";
import type { Account, Hold, Leg, ReservedFunds, Transaction } from "#ledger/index.ts";
import { emptyChain } from "#ledger/index.ts";
import { FEATURES } from "#features/index.ts";
import { noModels } from "#risk/index.ts";
import type { PolicySnapshot, Rule, Thresholds } from "#rules/index.ts";
import { declare, paymentVariables } from "#rules/index.ts";
import { compileRules, evaluate } from "#rules/evaluate.ts";
import { DEFAULT_THRESHOLDS } from "#rules/thresholds.ts";
import type { Collection, Store, Versioned } from "#storage/index.ts";
import type { Kms } from "#vault/index.ts";
import { createVault } from "#vault/index.ts";

/** A Monday at noon, UTC. */
export const T0 = Date.UTC(2026, 0, 5, 12);
export const EUR = "EUR" as Currency;
export const MAX = 9007199254740991n as Minor;
export const minor = (amount: number | bigint): Minor => BigInt(amount) as Minor;

/** The generator mulberry32: the same seed gives the same bytes. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) & 0xff;
  };
  return { bytes: (size) => Uint8Array.from({ length: size }, next) };
}

/** A clock that moves only when it is told to, or when somebody sleeps on it. */
export interface TestClock extends Clock {
  time: number;
  /** How long each sleeper slept, ms. */
  readonly slept: number[];
}

export function testClock(start: number = T0): TestClock {
  const clock: TestClock = {
    time: start,
    slept: [],
    now: () => clock.time,
    async sleep(ms) {
      clock.slept.push(ms);
      clock.time += Math.ceil(ms);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
  return clock;
}

/** Ids that are the same in every run. */
export const testIds = (seed: number, clock: Clock = testClock()): Ids => createIds(clock, seededRandom(seed));

const shared = testIds(1);
export const ORG: OrganisationId = shared.next("organisation");
export const OTHER_ORG: OrganisationId = shared.next("organisation");
export const newId = <K extends Parameters<Ids["next"]>[0]>(kind: K): Id<K> => shared.next(kind);

export function actorOf(organisationId: OrganisationId = ORG): Actor {
  return { organisationId, apiKeyId: "key_test", ip: "192.0.2.1", userAgent: "test", requestId: "req_test" };
}

/** An active, empty checking account of a user of its own. */
export function anAccount(fields: Partial<Account> = {}): Account {
  return {
    id: newId("account"),
    organisationId: ORG,
    userId: newId("user"),
    holders: null,
    type: "checking",
    currency: EUR,
    status: "active",
    balance: minor(0),
    overdraftLimit: minor(0),
    interestRateBps: 0,
    metadata: null,
    reserved: [],
    entryCount: 0,
    chain: emptyChain,
    incoming: null,
    createdAt: T0,
    updatedAt: T0,
    version: 1,
    ...fields,
  };
}

export function funds(amount: number | bigint, expiresAt: number | null = null): ReservedFunds {
  return { id: newId("hold"), amount: minor(amount), expiresAt };
}

/** An active hold of `payer` for `payee` that expires an hour after `T0`. */
export function aHold(payer: Account, payee: Account, fields: Partial<Hold> = {}): Hold {
  return {
    id: newId("hold"),
    organisationId: payer.organisationId,
    fromAccountId: payer.id,
    toAccountId: payee.id,
    amount: minor(100),
    capturedAmount: minor(0),
    currency: payer.currency,
    status: "active",
    expiresAt: T0 + 3_600_000,
    reference: null,
    metadata: null,
    assessment: {},
    createdAt: T0,
    updatedAt: T0,
    version: 1,
    ...fields,
  };
}

/** A posted transfer with the given legs. */
export function aTransaction(payer: Account, payee: Account, legs: readonly Leg[], fields: Partial<Transaction> = {}): Transaction {
  return {
    id: newId("transaction"),
    organisationId: payer.organisationId,
    type: "transfer",
    status: "posted",
    fromAccountId: payer.id,
    toAccountId: payee.id,
    amount: minor(1),
    currency: payer.currency,
    reference: null,
    metadata: null,
    assessment: null,
    reviewId: null,
    holdId: null,
    reverses: null,
    reversedAmount: minor(0),
    legs,
    createdAt: T0,
    postedAt: T0,
    version: 1,
    ...fields,
  };
}

/** Stores records as they are, whatever stood there before. */
export async function keep<T extends Versioned>(store: Store, collection: Collection<T>, records: readonly T[]): Promise<void> {
  for (let start = 0; start < records.length; start += 100) {
    const result = await store.commit(
      records.slice(start, start + 100).map((record) => ({
        op: "put" as const,
        table: collection.table,
        item: collection.toItem(record),
        condition: "none" as const,
      })),
    );
    if (result.outcome !== "committed") throw new Error(`not kept: ${result.outcome}`);
  }
}

/** A key management service that wraps nothing: what it gives as wrapped is the key itself. */
const openKms: Kms = {
  async generateDataKey() {
    const plaintext = seededRandom(7).bytes(32);
    return { plaintext, wrapped: Buffer.from(plaintext).toString("base64url"), kmsKeyId: "test" };
  },
  decrypt: async (wrapped) => new Uint8Array(Buffer.from(wrapped, "base64url")),
};

/** Everything payment commands need, over a store, for one node. */
export function paymentDeps(store: Store, clock: Clock, seed: number): PaymentDeps {
  const random = seededRandom(seed);
  const ids = createIds(clock, random);
  const vault = createVault({ store, kms: openKms, clock, ids, random });
  return {
    store,
    clock,
    ids,
    queue: createCommitQueue({ store, clock, random, showReply: showPosted({ store, vault }) }),
    vault,
    facts: createAccountFacts(store),
    policies: { of: () => noRules },
    models: noModels,
    sca: { of: defaultScaPolicy },
    canAuthenticate: () => Promise.resolve(false),
    reviewers: { wordEpoch: () => Promise.resolve(null), wordCounts: () => Promise.resolve(true) },
  };
}

/** Rules that may speak of what every payment has, and of every feature. */
export const language = declare({ ...Object.fromEntries(FEATURES.map(({ name }) => [name, "number" as const])), ...paymentVariables });

/** The policy of an organisation with these rules and thresholds, as a decision gets it. */
export function aPolicy(rules: readonly Partial<Rule>[] = [], thresholds: Partial<Thresholds> = {}): PolicySnapshot {
  const some = { description: null, action: "review", reason_code: "test", internal_text: null, enabled: true } as const;
  const set = rules.map((rule, n) => ({ name: `rule_${n}`, expression: "true", ...some, ...rule }));
  const compiled = compileRules(language, set);
  return {
    organisationId: ORG,
    thresholds: { ...DEFAULT_THRESHOLDS, ...thresholds },
    ruleSetId: set.length === 0 ? null : shared.next("ruleSet"),
    ruleSetNumber: set.length === 0 ? null : 1,
    rules: compiled,
    faults: compiled.faults,
    evaluate: (facts) => evaluate(compiled, facts, new Map()),
  };
}

/** Nothing but the factors, and review above 0.8. */
export const noRules: PolicySnapshot = aPolicy();

// A familiar context and one from far away, for payments that score low and high.
export { berlin, saoPaulo } from "#risk/test-kit.ts";
