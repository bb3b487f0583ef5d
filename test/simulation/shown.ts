import { isDeepStrictEqual } from "node:util";
import { mismatch } from "./journal.ts";
import { REASON } from "./operations.ts";
import type { Model, ModelAccount, ModelHold, ModelReview, ModelTransaction, ModelUser } from "./model.ts";
import { holdStatus, MAX, REVIEW_DUE_MS, REVIEW_LIFE_MS, reservedBounds, reviewStatus } from "./model.ts";

/** What an answer has to show: for each field its value, or a test of it. */
export type Expected = Readonly<Record<string, unknown>>;
type Test = (value: unknown, whole: Readonly<Record<string, unknown>>) => boolean;

const timestamp = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
const anything: Test = () => true;
const clamp = (amount: bigint): number => Number(amount > MAX ? MAX : amount < -MAX ? -MAX : amount);

/** Fails unless `got` has exactly the expected fields with the expected values. */
export function compareShown(what: string, expected: Expected, got: unknown): void {
  const difference = differenceOf(expected, got);
  if (difference !== undefined) mismatch(`${what} shows ${difference}`, expected, got);
}

/** The name of the first field that is wrong; undefined when there is none. */
export function differenceOf(expected: Expected, got: unknown): string | undefined {
  if (typeof got !== "object" || got === null) return "no object";
  const whole = got as Readonly<Record<string, unknown>>;
  for (const name of new Set([...Object.keys(expected), ...Object.keys(whole)])) {
    if (!(name in expected) || !(name in whole)) return `${name}, which is missing or too much`;
    const wanted = expected[name];
    const right = typeof wanted === "function" ? (wanted as Test)(whole[name], whole) : isDeepStrictEqual(whole[name], wanted);
    if (!right) return `a wrong ${name}`;
  }
  return undefined;
}

export function expectedUser(user: ModelUser, _times: readonly number[]): Expected {
  return {
    id: user.id,
    object: "user",
    type: "personal",
    status: user.status,
    status_reason: user.changes === 0 ? null : REASON,
    name: user.name,
    email: null,
    phone: null,
    date_of_birth: null,
    address: null,
    tax_id: null,
    registration_number: null,
    legal_form: null,
    reference: null,
    metadata: {},
    account_count: user.accounts,
    // One more with every account opened and every change of the status.
    version: user.accounts + user.changes + 1,
    created_at: timestamp(user.createdAt),
    updated_at: user.changes === 0 ? timestamp(user.createdAt) : anything,
    closed_at: null,
    erased_at: null,
  };
}

/** @param times when it may have been looked at; what is held changes when holds expire. */
export function expectedAccount(account: ModelAccount, times: readonly number[]): Expected {
  const first = Math.min(...times);
  const last = Math.max(...times);
  const least = reservedBounds(account, last).least;
  const most = reservedBounds(account, first).most;
  const held: Test = (value) => Number.isInteger(value) && BigInt(Number(value)) >= least && BigInt(Number(value)) <= most;
  const available: Test = (value, whole) =>
    account.type === "settlement" ? value === null : value === clamp(account.balance - BigInt(Number(whole.held)) + account.overdraft);
  return {
    id: account.id,
    object: "account",
    user_id: account.user,
    holders: account.user === null ? [] : [{ user_id: account.user, role: "owner" }],
    type: account.type,
    currency: account.currency,
    status: account.status,
    restriction: account.restricted ? "restricted" : null,
    balance: Number(account.balance),
    held,
    available,
    overdraft_limit: Number(account.overdraft),
    interest_rate_bps: account.rate,
    metadata: account.metadata,
    version: account.version,
    created_at: timestamp(account.createdAt),
    updated_at: anything,
  };
}

/** What decisions without a reason are taken for. */
const REASONS = { open: null, approved: "false_positive", rejected: "suspected_fraud", expired: null } as const;

export function expectedTransaction(t: ModelTransaction, _times: readonly number[]): Expected {
  const reasons: readonly unknown[] = {
    posted: t.review === null ? [null] : ["approved_after_review"],
    pending_review: ["under_review"],
    rejected: ["declined_security", "declined_expired"],
  }[t.status];
  const riskReason: Test = (value) => reasons.includes(value);
  const scored = t.type === "transfer" || t.type === "withdrawal" || t.type === "capture";
  const riskScore: Test = (value, whole) => {
    if (!scored) return value === null && whole.risk === null;
    return value === (whole.risk as { risk_score?: unknown } | null)?.risk_score;
  };
  return {
    id: t.id,
    object: "transaction",
    type: t.type,
    status: t.status,
    from_account_id: t.from,
    to_account_id: t.to,
    amount: Number(t.amount),
    currency: t.currency,
    reference: t.reference,
    metadata: t.metadata,
    risk_score: riskScore,
    risk: t.risk === null || t.risk === undefined ? anything : t.risk,
    risk_reason: riskReason,
    // No organisation of the simulation challenges anybody.
    sca: null,
    requires_action: null,
    review_id: t.review,
    hold_id: t.hold,
    reverses: t.reverses,
    reversed_amount: Number(t.reversed),
    created_at: timestamp(t.createdAt),
    posted_at: timestamp(t.postedAt),
  };
}

export function expectedHold(hold: ModelHold, times: readonly number[]): Expected {
  const statuses = [holdStatus(hold, Math.min(...times)), holdStatus(hold, Math.max(...times))];
  const status: Test = (value) => statuses.includes(String(value));
  const remaining: Test = (value, whole) => value === (whole.status === "active" ? Number(hold.amount - hold.captured) : 0);
  return {
    id: hold.id,
    object: "hold",
    status,
    from_account_id: hold.from,
    to_account_id: hold.to,
    amount: Number(hold.amount),
    captured_amount: Number(hold.captured),
    remaining_amount: remaining,
    currency: hold.currency,
    reference: hold.reference,
    metadata: hold.metadata,
    risk_score: hold.riskScore,
    expires_at: timestamp(hold.until),
    created_at: timestamp(hold.createdAt),
    updated_at: anything,
  };
}

/** @param times when it may have been looked at; an undecided review expires and is overdue by the clock. */
export function expectedReview(model: Pick<Model, "transactions">, review: ModelReview, times: readonly number[]): Expected {
  const t = model.transactions.latest(review.transaction);
  const end = review.createdAt + REVIEW_LIFE_MS;
  const first = Math.min(...times);
  const last = Math.max(...times);
  const status: Test = (value) => [first, last].some((at) => value === reviewStatus(review, at));
  const overdue: Test = (value, whole) => {
    if (whole.status !== "open") return value === false;
    const [least, most] = [first, last].map((at) => at >= review.createdAt + REVIEW_DUE_MS);
    return value === least || value === most;
  };
  const decided: Test = (value, whole) => value === timestamp(whole.status === "expired" ? end : review.decidedAt);
  return {
    id: review.id,
    object: "review",
    status,
    transaction_id: review.transaction,
    from_account_id: t?.from,
    to_account_id: t?.to,
    amount: Number(t?.amount),
    currency: t?.currency,
    risk: t?.risk ?? anything,
    assigned_to: null,
    assigned_by: null,
    assigned_at: null,
    note_count: 0,
    due_at: timestamp(review.createdAt + REVIEW_DUE_MS),
    overdue,
    expires_at: timestamp(end),
    first_approved_by: null,
    first_approved_at: null,
    reason_code: REASONS[review.status],
    created_at: timestamp(review.createdAt),
    decided_at: decided,
    decided_by: anything,
  };
}
