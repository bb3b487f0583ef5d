/**
 * The second, simpler model of the bank: maps of plain values with their history by commit. It is written from
 * the documented behaviour and calls nothing of the product.
 */
export const MAX = 9007199254740991n;

export interface ModelUser {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly accounts: number;
  readonly status: "active" | "restricted";
  /** How often the status was changed. */
  readonly changes: number;
  readonly createdAt: number;
}

export interface ModelEntry {
  readonly transaction: string;
  readonly amount: bigint;
  readonly after: bigint;
  readonly at: number;
}

export interface ModelAccount {
  readonly id: string;
  readonly tenant: string;
  readonly user: string | null;
  readonly type: string;
  readonly currency: string;
  readonly status: "active" | "frozen" | "closed";
  /** Its owner is restricted: nothing leaves it. */
  readonly restricted: boolean;
  readonly balance: bigint;
  readonly overdraft: bigint;
  readonly rate: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** What holds and reviews set aside: by their id. `until` is null for reviews. */
  readonly reserved: ReadonlyMap<string, { readonly amount: bigint; readonly until: number | null }>;
  readonly entries: readonly ModelEntry[];
  readonly version: number;
  readonly createdAt: number;
  /** The time of the newest link of its history: postings never go back behind it. */
  readonly postedAt: number;
  /** The latest time any node has decided over it at. */
  readonly clock: number;
}

export interface ModelTransaction {
  readonly id: string;
  readonly tenant: string;
  readonly type: "transfer" | "deposit" | "withdrawal" | "capture" | "reversal";
  readonly status: "posted" | "pending_review" | "rejected";
  readonly from: string;
  readonly to: string;
  readonly amount: bigint;
  readonly currency: string;
  readonly reference: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly review: string | null;
  readonly hold: string | null;
  readonly reverses: string | null;
  readonly reversed: bigint;
  readonly createdAt: number;
  readonly postedAt: number | null;
  /** The assessment as it was told; the model does not score. */
  readonly risk: unknown;
}

export interface ModelHold {
  readonly id: string;
  readonly tenant: string;
  readonly from: string;
  readonly to: string;
  readonly amount: bigint;
  readonly captured: bigint;
  readonly currency: string;
  readonly status: "active" | "captured" | "voided";
  readonly until: number;
  readonly reference: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly riskScore: unknown;
  readonly createdAt: number;
}

export interface ModelReview {
  readonly id: string;
  readonly tenant: string;
  readonly transaction: string;
  readonly status: "open" | "approved" | "rejected" | "expired";
  readonly createdAt: number;
  readonly decidedAt: number | null;
}

/** Values by id as they stood after each commit. */
export interface Timeline<T> {
  latest(id: string): T | undefined;
  /** As it stood after `commit`. */
  at(commit: number, id: string): T | undefined;
  set(commit: number, id: string, value: T): void;
  all(): readonly T[];
  /** The ids set in this commit. */
  touched(commit: number): readonly string[];
}

export function createTimeline<T>(): Timeline<T> {
  const histories = new Map<string, { readonly commit: number; value: T }[]>();
  const byCommit = new Map<number, string[]>();
  return {
    latest: (id) => histories.get(id)?.at(-1)?.value,
    at(commit, id) {
      const history = histories.get(id) ?? [];
      for (let i = history.length - 1; i >= 0; i--) {
        const step = history[i];
        if (step !== undefined && step.commit <= commit) return step.value;
      }
      return undefined;
    },
    set(commit, id, value) {
      let history = histories.get(id);
      if (history === undefined) {
        history = [];
        histories.set(id, history);
      }
      const last = history.at(-1);
      if (last?.commit === commit) {
        last.value = value;
        return;
      }
      history.push({ commit, value });
      const touched = byCommit.get(commit);
      if (touched === undefined) byCommit.set(commit, [id]);
      else touched.push(id);
    },
    all: () => [...histories.values()].map((history) => (history.at(-1) as { value: T }).value),
    touched: (commit) => byCommit.get(commit) ?? [],
  };
}

/** The bank at one moment. */
export interface ModelView {
  user(id: string): ModelUser | undefined;
  account(id: string): ModelAccount | undefined;
  transaction(id: string): ModelTransaction | undefined;
  hold(id: string): ModelHold | undefined;
  review(id: string): ModelReview | undefined;
  /** The settlement account of an organisation and a currency. */
  settlement(tenant: string, currency: string): ModelAccount | undefined;
}

export interface Model {
  readonly users: Timeline<ModelUser>;
  readonly accounts: Timeline<ModelAccount>;
  readonly transactions: Timeline<ModelTransaction>;
  readonly holds: Timeline<ModelHold>;
  readonly reviews: Timeline<ModelReview>;
  /** Ids of settlement accounts by `tenant currency`. */
  readonly settlements: Map<string, string>;
  /** Times of the assessed payments that still count for the velocity rule, by owner. */
  readonly recent: Map<string, number[]>;
  readonly now: ModelView;
  at(commit: number): ModelView;
}

export function createModel(): Model {
  const model = {
    users: createTimeline<ModelUser>(),
    accounts: createTimeline<ModelAccount>(),
    transactions: createTimeline<ModelTransaction>(),
    holds: createTimeline<ModelHold>(),
    reviews: createTimeline<ModelReview>(),
    settlements: new Map<string, string>(),
    recent: new Map<string, number[]>(),
  };
  const viewAt = (commit: number): ModelView => ({
    user: (id) => model.users.at(commit, id),
    account: (id) => model.accounts.at(commit, id),
    transaction: (id) => model.transactions.at(commit, id),
    hold: (id) => model.holds.at(commit, id),
    review: (id) => model.reviews.at(commit, id),
    settlement(tenant, currency) {
      const id = model.settlements.get(`${tenant} ${currency}`);
      return id === undefined ? undefined : model.accounts.at(commit, id);
    },
  });
  return { ...model, now: viewAt(Number.POSITIVE_INFINITY), at: viewAt };
}

/** What is set aside at `at`: a hold no longer counts from the very millisecond it expires. */
export function reservedAt(account: ModelAccount, at: number): bigint {
  let sum = 0n;
  for (const { amount, until } of account.reserved.values()) if (until === null || until > at) sum += amount;
  return sum;
}

/**
 * Clocks of nodes differ, so a hold may have expired (and been forgotten) for one that is still there for another. What
 * is set aside lies between what the latest clock that touched the account still sees and what the asking one sees.
 */
export function reservedBounds(account: ModelAccount, at: number): { readonly least: bigint; readonly most: bigint } {
  return { least: reservedAt(account, Math.max(at, account.clock)), most: reservedAt(account, at) };
}

/** An undecided review is due after a day and expires three days later, as organisations have it that say nothing else. */
export const REVIEW_DUE_MS = 24 * 3_600_000;
export const REVIEW_LIFE_MS = 96 * 3_600_000;

export function reviewStatus(review: ModelReview, at: number): string {
  return review.status === "open" && review.createdAt + REVIEW_LIFE_MS <= at ? "expired" : review.status;
}

export function holdStatus(hold: ModelHold, at: number): string {
  return hold.status === "active" && hold.until <= at ? "expired" : hold.status;
}
