import type { ReviewTerms } from "#identity/index.ts";
import { accountsOf, readUser } from "#identity/index.ts";
import type { AccountId, OrganisationId, UserId } from "#kernel/ids.ts";
import { listEndId, oldestIdOf } from "#kernel/id-times.ts";
import { isId } from "#kernel/ids.ts";
import type { Currency } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { readAccount, statusKey } from "#ledger/index.ts";
import { riskScoreOf } from "#risk/index.ts";
import type { Query, Store } from "#storage/index.ts";
import type { Review, ReviewStatus } from "./review.ts";
import { reviews, workOf } from "./review.ts";
import { dueAt, statusAt } from "./review-times.ts";

export interface ReviewFilter {
  readonly status: ReviewStatus | undefined;
  readonly assignedTo: string | undefined;
  readonly assigned: boolean | undefined;
  /** 0 to 1. */
  readonly minRiskScore: number | undefined;
  /** Minor units, inclusive. */
  readonly minAmount: bigint | undefined;
  readonly maxAmount: bigint | undefined;
  readonly currency: Currency | undefined;
  /** Payer or payee. */
  readonly accountId: AccountId | undefined;
  readonly userId: UserId | undefined;
  /** Exclusive, ms. */
  readonly dueBefore: number | undefined;
  /** Inclusive bounds on the time of creation, ms. */
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly order: "due" | "newest";
  readonly limit: number;
  readonly cursor: string | undefined;
}

export type ReviewPage = { readonly ok: true; readonly reviews: readonly Review[]; readonly cursor: string | undefined } | Refusal;

/** Reviews looked at for one page: a filter that keeps little gives short pages, never long waits. */
const MAX_PAGES = 10;
const PAGE = 100;

/**
 * Lists reviews by due time, or newest first. All reviews of an organisation have the same time to be decided in, so the order of
 * due times is that in which they were opened.
 */
export async function listReviews(
  store: Store,
  organisationId: OrganisationId,
  terms: ReviewTerms,
  now: number,
  filter: ReviewFilter,
): Promise<ReviewPage> {
  if (filter.cursor !== undefined && !isId("review", filter.cursor)) return refuse("invalid_cursor", "cursor");
  const parties = await partiesOf(store, organisationId, filter);
  if (!parties.ok) return parties;
  const ascending = filter.order === "due";
  const bounds = idBounds(filter, terms, now);
  const found: Review[] = [];
  let last = filter.cursor;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const page = await store.query({ ...source(organisationId, filter.status), limit: PAGE, ...range(ascending, bounds, last) });
    for (const item of page.items) {
      const review = reviews.fromItem(item);
      // The bounds of a query are inclusive, a cursor is not.
      if (review.id === last) continue;
      if (found.length === filter.limit) return { ok: true, reviews: found, cursor: last };
      last = review.id;
      if (matches(review, filter, parties.accounts, terms, now)) found.push(review);
    }
    if (page.cursor === undefined) return { ok: true, reviews: found, cursor: undefined };
  }
  return { ok: true, reviews: found, cursor: last };
}

type Parties = { readonly ok: true; readonly accounts: readonly ReadonlySet<AccountId>[] };

/** The accounts one of which has to be a party, for each filter that names any. */
async function partiesOf(store: Store, organisationId: OrganisationId, { accountId, userId }: ReviewFilter): Promise<Parties | Refusal> {
  const accounts: ReadonlySet<AccountId>[] = [];
  if (accountId !== undefined) {
    if ((await readAccount(store, organisationId, accountId)) === undefined) return refuse("account_not_found", "account_id");
    accounts.push(new Set([accountId]));
  }
  if (userId !== undefined) {
    const user = await readUser(store, organisationId, userId);
    if (user === undefined) return refuse("user_not_found", "user_id");
    accounts.push(new Set((await accountsOf(store, user)).ids));
  }
  return { ok: true, accounts };
}

function source(organisationId: OrganisationId, status: ReviewStatus | undefined): Pick<Query, "table" | "index" | "hash"> {
  return status === undefined
    ? { table: "smartfinance-reviews", index: "OrganisationReviewsIndex", hash: organisationId }
    : { table: "smartfinance-reviews", index: "StatusReviewsIndex", hash: statusKey(organisationId, status) };
}

interface Bounds {
  readonly from: string | undefined;
  readonly to: string | undefined;
}

function idBounds({ from, to, dueBefore, cursor }: ReviewFilter, terms: ReviewTerms, now: number): Bounds {
  const created = dueBefore === undefined ? undefined : dueBefore - dueAt({ createdAt: 0 }, terms);
  const newest = to === undefined ? created : created === undefined ? to : Math.min(to, created);
  const bound = listEndId("review", newest, undefined, now);
  return {
    from: from === undefined ? undefined : oldestIdOf("review", from),
    // Where a page has ended beyond the bound, it was a list up to now when its pages began.
    to: bound !== undefined && cursor !== undefined && cursor > bound ? undefined : bound,
  };
}

/** The part of the bounds that has not been read yet. */
function range(ascending: boolean, { from, to }: Bounds, last: string | undefined): Pick<Query, "order" | "from" | "to"> {
  // A cursor is an id, and may be one outside of the bounds: then nothing is left between them.
  const lower = ascending && last !== undefined && (from === undefined || last > from) ? last : from;
  const upper = !ascending && last !== undefined && (to === undefined || last < to) ? last : to;
  return {
    order: ascending ? "ascending" : "descending",
    ...(lower === undefined ? {} : { from: lower }),
    ...(upper === undefined ? {} : { to: upper }),
  };
}

function matches(
  review: Review,
  filter: ReviewFilter,
  parties: readonly ReadonlySet<AccountId>[],
  terms: ReviewTerms,
  now: number,
): boolean {
  const { assignment } = workOf(review);
  return (
    (filter.status === undefined || filter.status === statusAt(review, terms, now)) &&
    (filter.assignedTo === undefined || filter.assignedTo === assignment?.to) &&
    (filter.assigned === undefined || filter.assigned === (assignment !== null)) &&
    (filter.minRiskScore === undefined || riskScoreOf(review.assessment) >= filter.minRiskScore) &&
    (filter.minAmount === undefined || review.amount >= filter.minAmount) &&
    (filter.maxAmount === undefined || review.amount <= filter.maxAmount) &&
    (filter.currency === undefined || filter.currency === review.currency) &&
    parties.every((accounts) => accounts.has(review.fromAccountId) || accounts.has(review.toAccountId)) &&
    (filter.dueBefore === undefined || dueAt(review, terms) < filter.dueBefore) &&
    (filter.from === undefined || review.createdAt >= filter.from) &&
    (filter.to === undefined || review.createdAt <= filter.to)
  );
}
