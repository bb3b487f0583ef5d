import { apiKeys, issueApiKey, type IssueApiKeyInput, revokeApiKey } from "#access/index.ts";
import type { EventDraft } from "#audit/index.ts";
import type { CommitQueue } from "#commit/index.ts";
import { workOn } from "#commit/index.ts";
import { BLANK, newUser, newOrganisation, organisations, sealedFields, users } from "#identity/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import { isGood } from "#kernel/clock.ts";
import type { AccountId, ApiKeyId, Ids, OrganisationId } from "#kernel/ids.ts";
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
  /** The demo whose key nobody has been shown yet, for all that is known. */
  readonly unshown?: Pick<Demo, "apiKeyId" | "accounts"> & {
    /** Since when a node is about to show it, milliseconds. */
    readonly since: number;
  };
}

const INSTALLATION = { hash: "installation" };

const installations: Collection<Installation> = {
  table: "smartfinance-meta",
  keyOf: () => INSTALLATION,
  toItem: ({ organisationId, createdAt, unshown, version }) => ({
    id: "installation",
    organisation_id: organisationId,
    created_at: createdAt,
    ...(unshown === undefined
      ? {}
      : { unshown_key_id: unshown.apiKeyId, unshown_since: unshown.since, demo_account_ids: [...unshown.accounts] }),
    version,
  }),
  fromItem: ({ organisation_id, created_at, unshown_key_id, unshown_since, demo_account_ids, version }) => ({
    organisationId: organisation_id as OrganisationId,
    createdAt: Number(created_at),
    ...(unshown_key_id === undefined
      ? {}
      : {
          unshown: {
            apiKeyId: unshown_key_id as ApiKeyId,
            accounts: demo_account_ids as unknown as Demo["accounts"],
            since: Number(unshown_since ?? created_at),
          },
        }),
    version: Number(version),
  }),
};

/** The organisation an installation began with; `undefined` for an empty store. */
export async function firstOrganisation(store: Store): Promise<OrganisationId | undefined> {
  return (await installationOf(store))?.organisationId;
}

async function installationOf(store: Store): Promise<Installation | undefined> {
  const item = await store.get(installations.table, INSTALLATION);
  return item === undefined ? undefined : installations.fromItem(item);
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
    needs: [{ collection: installations, key: INSTALLATION, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      // From now on the store is somebody's: no demo is put into it.
      if (work.get(installations, INSTALLATION) === undefined) {
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
  readonly accounts: readonly [AccountId, AccountId];
}

const DEMO_CURRENCY = "EUR" as Currency;
const DEMO_KEY = "Demo key";
/** How long a node may take from making the demo to showing it, ms. Another one leaves it alone meanwhile. */
const SHOWING_MS = 60_000;
/** How often it is tried to note that it was shown, and after how long again, ms. */
const NOTE_TRIES = 5;
const NOTE_AGAIN_MS = 200;
const DEMO_NAMES = ["Ada Lovelace", "Charles Babbage"] as const;
/** What each demo account starts with, minor units. */
const DEMO_FUNDS = [100_000, 25_000] as const;

/**
 * On the first start over an empty store: an organisation, a key, two users with a funded account each,
 * all in one commit, so that a crash leaves either nothing or all of it. Where it was not shown to anybody, the next start
 * puts another key in the place of the one that is lost. Whoever has shown it says so by `demoShown`.
 * @param alone whether no other node can be about to show it
 * @returns `undefined` when the store has been started before, and nothing is left to be shown
 */
export async function createDemo(deps: BootstrapDeps, environment: "test" | "live", alone: boolean): Promise<Demo | undefined> {
  const installed = await installationOf(deps.store);
  if (installed !== undefined) return replaceLostKey(deps, installed, environment, alone);
  const { ids, vault } = deps;
  const organisationId = ids.next("organisation");
  const { record, text } = issueApiKey(deps, { organisationId, name: DEMO_KEY, environment });
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
  const [ada, charles] = people;
  invariant(ada && charles, "there are two demo users");
  const unshown = { apiKeyId: record.id, accounts: [ada.accountId, charles.accountId] } as const;
  const events = [ids.next("event"), ids.next("event"), ids.next("event")] as const;

  const executed = await deps.queue.execute({
    actor: installer(organisationId),
    needs: [{ collection: installations, key: INSTALLATION, mode: "write" }],
    decide(view, at) {
      if (view.get(installations, INSTALLATION) !== undefined) return { reply: { status: 200, body: "" }, changes: [], events: [] };
      const work = workOn(view);
      const tell = (event: EventDraft): void => work.tell(event);
      work.put(installations, { organisationId, createdAt: at, unshown: { ...unshown, since: at }, version: 1 });
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
  return executed.reply.status === 201 ? { organisationId, apiKey: text, ...unshown } : undefined;
}

/** The demo of an earlier start that ended before it had shown it, with a new key: the text of the one it had is lost. */
async function replaceLostKey(
  deps: BootstrapDeps,
  { organisationId, unshown }: Installation,
  environment: "test" | "live",
  alone: boolean,
): Promise<Demo | undefined> {
  const { clock, ids, queue } = deps;
  if (unshown === undefined) return undefined;
  // The clock of the node that is about to show it may be ahead; one that was ahead for hours must not hold it back for hours.
  if (!alone && isGood(unshown.since + SHOWING_MS, 2 * SHOWING_MS, clock.now())) return undefined;
  const { record, text } = issueApiKey(deps, { organisationId, name: DEMO_KEY, environment });
  const lost = { hash: unshown.apiKeyId };
  const events = [ids.next("event"), ids.next("event")] as const;
  const executed = await queue.execute({
    actor: installer(organisationId),
    needs: [
      { collection: installations, key: INSTALLATION, mode: "write" },
      { collection: apiKeys, key: lost, mode: "write" },
    ],
    decide(view, at) {
      const work = workOn(view);
      const installation = work.get(installations, INSTALLATION);
      const key = work.get(apiKeys, lost);
      const revoked = key === undefined ? undefined : revokeApiKey(key, null, at);
      // Another node was faster, or somebody who has a key of his own has revoked this one.
      if (installation?.unshown?.apiKeyId !== unshown.apiKeyId || revoked?.ok !== true)
        return { reply: { status: 200, body: "" }, changes: [], events: [] };
      work.put(installations, {
        ...installation,
        unshown: { ...unshown, apiKeyId: record.id, since: at },
        version: installation.version + 1,
      });
      work.put(apiKeys, revoked.record);
      work.tell({ id: events[0], type: "api_key.revoked", objectId: unshown.apiKeyId });
      work.put(apiKeys, record);
      work.tell({ id: events[1], type: "api_key.created", objectId: record.id });
      return work.outcome({ status: 201, body: "" });
    },
  });
  if (!executed.ok) throw new Error(`the demo could not be completed: ${executed.code}`);
  return executed.reply.status === 201 ? { organisationId, apiKey: text, apiKeyId: record.id, accounts: unshown.accounts } : undefined;
}

/** Notes that the key of a demo stands where somebody can read it: from now on it is his, and no later start replaces it. */
export async function demoShown({ store, clock }: BootstrapDeps, { apiKeyId }: Demo): Promise<void> {
  for (let tries = 0; tries < NOTE_TRIES; tries++) {
    const installation = await installationOf(store);
    if (installation?.unshown?.apiKeyId !== apiKeyId) return;
    const { unshown: _, ...shown } = installation;
    const { version } = installation;
    // Nothing that an event could tell of: what was made was told of by the commit that made it.
    const item = installations.toItem({ ...shown, version: version + 1 });
    const { outcome } = await store.commit([{ op: "put", table: installations.table, item, condition: { version } }]);
    if (outcome === "committed") return;
    await clock.sleep(NOTE_AGAIN_MS);
  }
  throw new Error("it could not be noted that the demo was shown; the next start puts another key in the place of its key");
}

/** Whoever has the store itself: the audit log shows such events without an API key. */
export function installer(organisationId: OrganisationId) {
  return { organisationId, apiKeyId: null, ip: null, userAgent: null, requestId: null };
}
