import type { AccountId, OrganisationId } from "#kernel/ids.ts";
import type { Account } from "../account.ts";
import type { LinkAddress } from "../chain.ts";
import type { Store } from "#storage/index.ts";
import { InvariantError } from "#kernel/assert.ts";
import type { Positions } from "./cursor.ts";
import type { Step } from "./walk.ts";
import { before, headOf, readStep, seek } from "./walk.ts";

export interface HistoryQuery {
  readonly organisationId: OrganisationId;
  readonly accounts: readonly Account[];
  /** Inclusive bounds on the link's time, ms. */
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly positions: Positions | undefined;
  readonly limit: number;
  readonly keep: (step: Step) => boolean;
}

export interface HistoryPage {
  readonly steps: readonly Step[];
  /** Absent at the end of the history. */
  readonly next: Positions | undefined;
  /** False when the positions are not of a list of these accounts, or point at no link. */
  readonly valid: boolean;
}

/** The most links looked at for one page: a filter that keeps little gives short pages, never long waits. */
const MAX_EXAMINED = 1000;

/**
 * The histories of one or several accounts, newest first, merged by time. Walks the accounts' own chains,
 * so it is strongly consistent and needs no index.
 */
export async function listByAccounts(store: Store, query: HistoryQuery): Promise<HistoryPage> {
  const { organisationId, limit, from } = query;
  if (!isOfThese(query)) return { steps: [], next: undefined, valid: false };
  let begun: Begun;
  try {
    begun = await headsOf(store, query);
  } catch (error) {
    // A position that points at no link is a cursor somebody made up.
    if (query.positions !== undefined && error instanceof InvariantError) return { steps: [], next: undefined, valid: false };
    throw error;
  }

  const { heads, joined, place } = begun;
  const steps: Step[] = [];
  for (let examined = 0; examined < MAX_EXAMINED; examined++) {
    const newest = newestOf(heads);
    if (newest === undefined) return { steps, next: undefined, valid: true };
    const [accountId, step] = newest;
    if (from !== undefined && step.leg.at < from) {
      // Times only go back along a chain: nothing further of this account is wanted.
      heads.delete(accountId);
      continue;
    }
    const isPast = place !== undefined && joined.has(accountId) && isNewer(step, place);
    if (!isPast) joined.delete(accountId);
    // What a page ends with is walked through in all its accounts: the next page may be one of others, where it would be new.
    const isKept = !isPast && query.keep(step);
    const isOver = isKept || step.transaction.id !== steps.at(-1)?.transaction.id;
    if (steps.length === limit && isOver) return { steps, next: positionsOf(query, heads), valid: true };
    if (isKept) steps.push(step);
    const next = before(step);
    if (next === undefined) heads.delete(accountId);
    else heads.set(accountId, await readStep(store, organisationId, accountId, next));
  }
  return { steps, next: positionsOf(query, heads), valid: true };
}

/**
 * Whether the positions may be those of a list of these accounts. Some may have been taken away since the page before, or all of them, and
 * others may have joined; where none of either is the other's, it was another list.
 */
function isOfThese({ accounts, positions }: HistoryQuery): boolean {
  return positions === undefined || accounts.length === 0 || accounts.some(({ id }) => positions.has(id));
}

interface Begun {
  /** Where the walk of each account begins on this page; those that have come to their end are not among them. */
  readonly heads: Map<AccountId, Step>;
  /** Accounts that were not there at the page before and have not come to `place` yet: of its millisecond there may be many payments. */
  readonly joined: Set<AccountId>;
  /** Where the page before has ended. */
  readonly place: Step | undefined;
}

async function headsOf(store: Store, query: HistoryQuery): Promise<Begun> {
  const { organisationId, accounts, positions } = query;
  const heads = new Map<AccountId, Step>();
  const joined = new Set<AccountId>();
  const begin = async (account: Account, step: Promise<Step | undefined>): Promise<void> => {
    const head = await step;
    if (head !== undefined) heads.set(account.id, head);
  };
  if (positions === undefined) {
    await Promise.all(accounts.map(async (account) => begin(account, newestUntil(store, organisationId, account, query.to))));
    return { heads, joined, place: undefined };
  }
  const left = new Map<AccountId, Step>();
  await Promise.all(
    [...positions].map(async ([id, address]) => {
      if (address !== null) left.set(id, await readStep(store, organisationId, id, address));
    }),
  );
  // An account that was not there at the page before begins where the others were, of which some may not be there any more: some of
  // what is theirs as well is shown as its own.
  const place = newestOf(left)?.[1];
  await Promise.all(
    accounts.map(async (account) => {
      const step = left.get(account.id);
      if (step !== undefined) heads.set(account.id, step);
      else if (!positions.has(account.id)) {
        joined.add(account.id);
        await begin(account, newestUntil(store, organisationId, account, place?.leg.at));
      }
    }),
  );
  return { heads, joined, place };
}

/** The newest link of an account, that of a time where one is given. */
async function newestUntil(
  store: Store,
  organisationId: OrganisationId,
  account: Account,
  to: number | undefined,
): Promise<Step | undefined> {
  const head = headOf(account);
  if (head === undefined) return undefined;
  if (to === undefined) return readStep(store, organisationId, account.id, head);
  return seek(store, organisationId, account.id, head, (leg) => leg.at <= to);
}

function newestOf(heads: ReadonlyMap<AccountId, Step>): readonly [AccountId, Step] | undefined {
  let newest: readonly [AccountId, Step] | undefined;
  for (const entry of heads) if (newest === undefined || isNewer(entry[1], newest[1])) newest = entry;
  return newest;
}

/** Newer first; of the same time, the larger transaction id; the order is total, so pages neither repeat nor miss. */
function isNewer(a: Step, b: Step): boolean {
  if (a.leg.at !== b.leg.at) return a.leg.at > b.leg.at;
  return a.transaction.id > b.transaction.id;
}

function positionsOf({ accounts }: HistoryQuery, heads: ReadonlyMap<AccountId, Step>): Positions | undefined {
  if (heads.size === 0) return undefined;
  const positions = new Map<AccountId, LinkAddress | null>();
  for (const { id } of accounts) {
    const head = heads.get(id);
    positions.set(id, head === undefined ? null : { number: head.leg.link.number, transaction: head.transaction.id });
  }
  return positions;
}
