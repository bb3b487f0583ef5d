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
  /** False when a position does not belong to these accounts. */
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
  const listed = new Set(query.accounts.map(({ id }) => id));
  for (const id of query.positions?.keys() ?? []) if (!listed.has(id)) return { steps: [], next: undefined, valid: false };
  const heads = new Map<AccountId, Step>();
  try {
    await Promise.all(
      query.accounts.map(async (account) => {
        const step = await start(store, query, account);
        if (step !== undefined) heads.set(account.id, step);
      }),
    );
  } catch (error) {
    // A position that points at no link is a cursor somebody made up.
    if (query.positions !== undefined && error instanceof InvariantError) return { steps: [], next: undefined, valid: false };
    throw error;
  }

  const steps: Step[] = [];
  for (let examined = 0; examined < MAX_EXAMINED; examined++) {
    let newest: [AccountId, Step] | undefined;
    for (const entry of heads) if (newest === undefined || isNewer(entry[1], newest[1])) newest = entry;
    if (newest === undefined) return { steps, next: undefined, valid: true };
    const [accountId, step] = newest;
    if (from !== undefined && step.leg.at < from) {
      // Times only go back along a chain: nothing further of this account is wanted.
      heads.delete(accountId);
      continue;
    }
    if (steps.length === limit) return { steps, next: addressesOf(heads), valid: true };
    if (query.keep(step)) steps.push(step);
    const next = before(step);
    if (next === undefined) heads.delete(accountId);
    else heads.set(accountId, await readStep(store, organisationId, accountId, next));
  }
  return { steps, next: addressesOf(heads), valid: true };
}

async function start(store: Store, query: HistoryQuery, account: Account): Promise<Step | undefined> {
  const { organisationId, to, positions } = query;
  if (positions !== undefined) {
    const address = positions.get(account.id);
    if (address === undefined) return undefined;
    return readStep(store, organisationId, account.id, address);
  }
  const head = headOf(account);
  if (head === undefined) return undefined;
  if (to === undefined) return readStep(store, organisationId, account.id, head);
  return seek(store, organisationId, account.id, head, (leg) => leg.at <= to);
}

/** Newer first; of the same time, the larger transaction id; the order is total, so pages neither repeat nor miss. */
function isNewer(a: Step, b: Step): boolean {
  if (a.leg.at !== b.leg.at) return a.leg.at > b.leg.at;
  return a.transaction.id > b.transaction.id;
}

function addressesOf(heads: ReadonlyMap<AccountId, Step>): Positions | undefined {
  if (heads.size === 0) return undefined;
  const positions = new Map<AccountId, LinkAddress>();
  for (const [id, { leg, transaction }] of heads) positions.set(id, { number: leg.link.number, transaction: transaction.id });
  return positions;
}
