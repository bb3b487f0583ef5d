import { apiKeys, issueApiKey, type IssueApiKeyInput } from "#access/index.ts";
import type { EventDraft } from "#audit/index.ts";
import type { CommitQueue } from "#commit/index.ts";
import { workOn } from "#commit/index.ts";
import { BLANK, newUser, newOrganisation, organisations, sealedFields, users } from "#identity/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import type { AccountId, ApiKeyId, Ids, OrganisationId, UserId } from "#kernel/ids.ts";
import type { Currency } from "#kernel/money.ts";
import { minorFromWire } from "#kernel/money.ts";
import type { Random } from "#kernel/random.ts";
import { accounts, openAccount, openSettlementAccount, post, settlementAccountId, transactions } from "#ledger/index.ts";
import { recordMovement } from "#payments/index.ts";
import type { Collection, Store, Versioned } from "#storage/index.ts";
import type { Vault } from "#vault/index.ts";

export interface BootstrapDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly vault: Vault;
  readonly ids: Ids;
  readonly clock: Clock;
  readonly random: Random;
}

/** What only exists once per installation: that the first start has happened. */
interface Installation extends Versioned {
  readonly organisationId: OrganisationId;
  readonly createdAt: number;
}

const installations: Collection<Installation> = {
  table: "smartfinance-meta",
  keyOf: () => ({ hash: "installation" }),
  toItem: (i) => ({ id: "installation", organisation_id: i.organisationId, created_at: i.createdAt, version: i.version }),
  fromItem: (item) => ({
    organisationId: item.organisation_id as OrganisationId,
    createdAt: Number(item.created_at),
    version: Number(item.version),
  }),
};

/** The organisation an installation began with; `undefined` for an empty store. */
export async function firstOrganisation(store: Store): Promise<OrganisationId | undefined> {
  const item = await store.get("smartfinance-meta", { hash: "installation" });
  return item === undefined ? undefined : installations.fromItem(item).organisationId;
}

export interface NewOrganisation {
  readonly organisationId: OrganisationId;
  readonly apiKeyId: ApiKeyId;
  /** The API key's text: not stored, shown once. */
  readonly apiKey: string;
}

export interface OrganisationAsked extends Pick<IssueApiKeyInput, "environment" | "scopes" | "rateLimitPerMinute"> {
  readonly name: string;
}

/**
 * Creates an organisation with its first API key: all scopes and 100 units a minute unless asked otherwise. A higher limit for
 * the key is the organisation's too, and its ceiling.
 */
export async function createOrganisation(deps: BootstrapDeps, asked: OrganisationAsked): Promise<NewOrganisation> {
  const organisationId = deps.ids.next("organisation");
  const { record, text } = issueApiKey(deps, { ...asked, organisationId, name: "First key" });
  const events = [deps.ids.next("event"), deps.ids.next("event")] as const;
  const executed = await deps.queue.execute({
    actor: installer(organisationId),
    needs: [{ collection: installations, key: { hash: "installation" }, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      // From now on the store is somebody's: no demo is put into it.
      if (work.get(installations, { hash: "installation" }) === undefined) {
        work.put(installations, { organisationId, createdAt: at, version: 1 });
      }
      work.put(organisations, newOrganisation(organisationId, asked.name, asked.rateLimitPerMinute, at));
      work.put(apiKeys, record);
      work.tell({ id: events[0], type: "organisation.created", objectId: organisationId });
      work.tell({ id: events[1], type: "api_key.created", objectId: record.id });
      return work.outcome({ status: 201, body: "" });
    },
  });
  if (!executed.ok) throw new Error(`the organisation could not be created: ${executed.code}`);
  return { organisationId, apiKeyId: record.id, apiKey: text };
}

export interface Demo extends NewOrganisation {
  readonly users: readonly [UserId, UserId];
  readonly accounts: readonly [AccountId, AccountId];
}

const DEMO_CURRENCY = "EUR" as Currency;
const DEMO_NAMES = ["Ada Lovelace", "Charles Babbage"] as const;
/** What each demo account starts with, minor units. */
const DEMO_FUNDS = [100_000, 25_000] as const;

/**
 * On the first start over an empty store: an organisation, a key, two users with a funded account each,
 * all in one commit, so that a crash leaves either nothing or all of it.
 * @returns `undefined` when the store has been started before
 */
export async function createDemo(deps: BootstrapDeps, environment: "test" | "live"): Promise<Demo | undefined> {
  if ((await firstOrganisation(deps.store)) !== undefined) return undefined;
  const { ids, vault } = deps;
  const organisationId = ids.next("organisation");
  const { record, text } = issueApiKey(deps, { organisationId, name: "Demo key", environment });
  // Nothing of the demo is sealed under it, but a later start tells by it whether it was given the right keys.
  await vault.dataKey(organisationId);
  const settlementId = settlementAccountId(organisationId, DEMO_CURRENCY);
  const prepared = DEMO_NAMES.map(async (name, n) => {
    const userId = ids.next("user");
    return {
      userId,
      sealed: await sealedFields(vault, organisationId, userId, { ...BLANK, name }),
      accountId: ids.next("account"),
      transactionId: ids.next("transaction"),
      funds: minorFromWire(DEMO_FUNDS[n] ?? 0),
      events: [ids.next("event"), ids.next("event"), ids.next("event")] as const,
    };
  });
  const people = await Promise.all(prepared);
  const events = [ids.next("event"), ids.next("event"), ids.next("event")] as const;

  const executed = await deps.queue.execute({
    actor: installer(organisationId),
    needs: [{ collection: installations, key: { hash: "installation" }, mode: "write" }],
    decide(view, at) {
      if (view.get(installations, { hash: "installation" }) !== undefined)
        return { reply: { status: 200, body: "" }, changes: [], events: [] };
      const work = workOn(view);
      const tell = (event: EventDraft): void => work.tell(event);
      work.put(installations, { organisationId, createdAt: at, version: 1 });
      work.put(organisations, newOrganisation(organisationId, "Demo", undefined, at));
      work.put(apiKeys, record);
      tell({ id: events[0], type: "organisation.created", objectId: organisationId });
      tell({ id: events[1], type: "api_key.created", objectId: record.id });
      let settlement = openSettlementAccount(settlementId, organisationId, DEMO_CURRENCY, at);
      tell({ id: events[2], type: "account.created", objectId: settlementId, currency: DEMO_CURRENCY, details: { type: "settlement" } });
      for (const person of people) {
        const { userId, accountId, transactionId, funds } = person;
        work.put(users, { ...newUser({ id: userId, organisationId, type: "personal", ...person.sealed }, at), accountCount: 1 });
        tell({ id: person.events[0], type: "user.created", objectId: userId, userId });
        const terms = {
          type: "checking" as const,
          currency: DEMO_CURRENCY,
          overdraftLimit: minorFromWire(0),
          interestRateBps: 0,
          metadata: null,
        };
        const account = openAccount({ id: accountId, organisationId, userId, ...terms }, at);
        tell({
          id: person.events[1],
          type: "account.created",
          objectId: accountId,
          userId,
          currency: DEMO_CURRENCY,
          details: { type: "checking" },
        });
        const params = { payer: "settlement", payee: "account" };
        const posted = post({ transactionId, payer: settlement, payee: account, amount: funds, at }, params);
        invariant(posted.ok, "a demo account can be funded");
        settlement = posted.payer;
        const { transaction, event } = recordMovement(
          {
            organisationId,
            transactionId,
            eventId: person.events[2],
            type: "deposit",
            amount: funds,
            reference: "Opening balance",
            metadata: null,
            assessment: null,
            holdId: null,
            reverses: null,
          },
          posted,
          account,
          at,
        );
        // Written once, as it stands at the end of this commit.
        work.put(accounts, { ...posted.payee, version: 1 });
        work.put(transactions, transaction);
        tell(event);
      }
      work.put(accounts, { ...settlement, version: 1 });
      return work.outcome({ status: 201, body: "" });
    },
  });
  if (!executed.ok) throw new Error(`the demo could not be created: ${executed.code}`);
  if (executed.reply.status !== 201) return undefined;
  const [ada, charles] = people;
  invariant(ada && charles, "there are two demo users");
  return {
    organisationId,
    apiKeyId: record.id,
    apiKey: text,
    users: [ada.userId, charles.userId],
    accounts: [ada.accountId, charles.accountId],
  };
}

/** Whoever has the store itself: the audit log shows such events without an API key. */
export function installer(organisationId: OrganisationId) {
  return { organisationId, apiKeyId: null, ip: null, userAgent: null, requestId: null };
}
