import { performOnHold, performReview } from "./hold-effects.ts";
import type { ModelAccount } from "./model.ts";
import type { Operation, TransferBody } from "./operations.ts";
import type { Scene } from "./scene.ts";
import { accountOf, change, move, performMovement, remember, reserve } from "./scene.ts";

/** What the product told of an accepted command and the model cannot know: new ids, and how risk judged. */
export type Told = Readonly<Record<string, unknown>>;

const text = (value: unknown): string => (typeof value === "string" ? value : `no text: ${JSON.stringify(value)}`);
const REVIEW_ABOVE = 0.8;
const VELOCITY_WINDOW_MS = 30 * 60 * 1000;
const VELOCITY_SATURATES_AT = 17;

function opened(scene: Scene, fields: Pick<ModelAccount, "id" | "user" | "type" | "currency"> & Partial<ModelAccount>): ModelAccount {
  const { id, user, currency, type } = fields;
  if (scene.model.now.account(id) !== undefined) scene.problems.push(`account ${id} exists already`);
  scene.events.push({ type: "account.created", object: id, user, currency });
  if (type === "settlement") scene.model.settlements.set(`${scene.tenant} ${currency}`, id);
  return {
    tenant: scene.tenant,
    status: "active",
    restricted: false,
    balance: 0n,
    overdraft: 0n,
    rate: 0,
    metadata: {},
    reserved: new Map(),
    entries: [],
    version: 1,
    createdAt: scene.at,
    postedAt: 0,
    clock: scene.at,
    ...fields,
  };
}

/** The settlement account, opened by its first use under the id that the transaction names. */
function settlementOf(scene: Scene, currency: string, id: string): ModelAccount {
  const known = scene.model.now.settlement(scene.tenant, currency);
  if (known !== undefined) return known;
  return opened(scene, { id, user: null, type: "settlement", currency });
}

/** How many scored payments of this payer the velocity rule has to have counted; and counts this one. */
function countVelocity(scene: Scene, payer: ModelAccount): number {
  const owner = payer.user ?? payer.id;
  const recent = (scene.model.recent.get(owner) ?? []).filter((time) => time >= scene.at - VELOCITY_WINDOW_MS);
  recent.push(scene.at);
  const counted = recent.length;
  if (recent.length >= VELOCITY_SATURATES_AT) recent.shift();
  scene.model.recent.set(owner, recent);
  return counted;
}

/** A transfer or withdrawal that was accepted: posted, or waiting for a review. */
export function performPayment(
  scene: Scene,
  type: "transfer" | "withdrawal",
  body: Omit<TransferBody, "to_account_id" | "from_account_id">,
  payer: ModelAccount,
  payee: ModelAccount,
  told: { readonly id: string; readonly review: string | null; readonly riskScore: unknown; readonly risk?: unknown },
): void {
  const { id, review, riskScore, risk } = told;
  const amount = BigInt(body.amount);
  const score = Number(riskScore);
  const count = countVelocity(scene, payer);
  const toldCount = (risk as { velocity_count?: unknown } | undefined)?.velocity_count;
  if (risk !== undefined && toldCount !== count) scene.problems.push(`velocity_count is ${String(toldCount)}, the model counts ${count}`);
  if (!(score >= 0 && score <= 1) || score > REVIEW_ABOVE !== (review !== null))
    scene.problems.push(`score ${score} and review ${review} contradict each other`);
  const common = {
    id,
    type,
    from: payer.id,
    to: payee.id,
    amount,
    reference: body.reference ?? null,
    metadata: body.metadata ?? {},
    risk,
  };
  const about = { object: id, transaction: id, user: payer.user, amount, currency: payer.currency };
  if (review === null) {
    const postedAt = move(scene, id, payer, payee, amount);
    remember(scene, { ...common, postedAt });
    const entries = [[payer.id, -amount] as const, [payee.id, amount] as const];
    scene.events.push({ type: `${type}.posted`, ...about, entries });
    return;
  }
  const at = Math.max(scene.at, payer.postedAt, payee.postedAt);
  change(scene, reserve(payer, id, amount, null), { postedAt: at });
  change(scene, payee, { postedAt: at });
  remember(scene, { ...common, status: "pending_review", review });
  if (scene.model.now.review(review) !== undefined) scene.problems.push(`review ${review} exists already`);
  const { tenant, commit } = scene;
  scene.model.reviews.set(commit, review, { id: review, tenant, transaction: id, status: "open", createdAt: scene.at, decidedAt: null });
  scene.events.push({ type: `${type}.pending_review`, ...about });
}

/** A hold, or the raise of one, that was declined: nothing more is reserved, but it was an attempt. */
export function performDecline(scene: Scene, from: string, amount: number): void {
  const payer = accountOf(scene, from);
  countVelocity(scene, payer);
  const { currency, user } = payer;
  scene.events.push({ type: "hold.declined", object: undefined, user, amount: BigInt(amount), currency });
}

/** Brings about in the model what an accepted operation does. Batches are taken apart by the caller. */
export function perform(scene: Scene, operation: Exclude<Operation, { readonly op: "batch" }>, told: Told): void {
  const { model, commit, at, tenant } = scene;
  const id = text(told.id);
  switch (operation.op) {
    case "create_user":
      model.users.set(commit, id, { id, tenant, name: operation.name, accounts: 0, status: "active", changes: 0, createdAt: at });
      scene.events.push({ type: "user.created", object: id, user: id });
      return;
    case "verify": {
      const user = model.now.user(operation.user);
      if (user === undefined) throw new Error(`the model has no user ${operation.user}`);
      model.users.set(commit, user.id, { ...user, status: operation.status, changes: user.changes + 1 });
      const restricted = operation.status === "restricted";
      for (const account of model.accounts.all())
        if (account.user === user.id && account.status !== "closed" && account.restricted !== restricted)
          change(scene, account, { restricted });
      scene.events.push({ type: "user.status_changed", object: user.id, user: user.id });
      return;
    }
    case "open_account": {
      const { body } = operation;
      const user = body.user_id === undefined ? undefined : model.now.user(body.user_id);
      if (user !== undefined) model.users.set(commit, user.id, { ...user, accounts: user.accounts + 1 });
      const account = opened(scene, {
        id,
        user: user?.id ?? null,
        type: body.type,
        currency: body.currency,
        overdraft: BigInt(body.overdraft_limit ?? 0),
        rate: body.interest_rate_bps ?? 0,
        metadata: body.metadata ?? {},
      });
      model.accounts.set(commit, id, account);
      return;
    }
    case "patch": {
      const account = accountOf(scene, operation.account);
      const { overdraft_limit, interest_rate_bps, metadata } = operation.body;
      change(scene, account, {
        ...(overdraft_limit === undefined ? {} : { overdraft: BigInt(overdraft_limit) }),
        ...(interest_rate_bps === undefined ? {} : { rate: interest_rate_bps }),
        ...(metadata === undefined ? {} : { metadata: metadata ?? {} }),
      });
      scene.events.push({ type: "account.updated", object: account.id, user: account.user, currency: account.currency });
      return;
    }
    case "status": {
      const account = accountOf(scene, operation.account);
      const status = ({ freeze: "frozen", unfreeze: "active", close: "closed" } as const)[operation.verb];
      change(scene, account, { status, ...(status === "closed" ? { reserved: new Map() } : {}) });
      const type = `account.${{ freeze: "frozen", unfreeze: "unfrozen", close: "closed" }[operation.verb]}`;
      scene.events.push({ type, object: account.id, user: account.user, currency: account.currency });
      return;
    }
    case "deposit": {
      const { body } = operation;
      const payee = accountOf(scene, body.account_id);
      const settlement = settlementOf(scene, body.currency, text(told.from_account_id));
      const { reference = null, metadata = {} } = body;
      performMovement(scene, id, payee, settlement, payee, { type: "deposit", amount: BigInt(body.amount), reference, metadata });
      return;
    }
    case "withdraw": {
      const { body } = operation;
      const payer = accountOf(scene, body.account_id);
      const settlement = settlementOf(scene, body.currency, text(told.to_account_id));
      performPayment(scene, "withdrawal", body, payer, settlement, toldOf(told));
      return;
    }
    case "transfer": {
      const { body } = operation;
      performPayment(scene, "transfer", body, accountOf(scene, body.from_account_id), accountOf(scene, body.to_account_id), toldOf(told));
      return;
    }
    case "authorise": {
      const { body } = operation;
      const payer = accountOf(scene, body.from_account_id);
      const amount = BigInt(body.amount);
      countVelocity(scene, payer);
      const until = at + (body.expires_in ?? 604_800) * 1000;
      change(scene, reserve(payer, id, amount, until), {});
      // The payee's account remembers whom it was to be paid by.
      change(scene, accountOf(scene, body.to_account_id), {});
      model.holds.set(commit, id, {
        id,
        tenant,
        from: payer.id,
        to: body.to_account_id,
        amount,
        captured: 0n,
        currency: payer.currency,
        status: "active",
        until,
        reference: body.reference ?? null,
        metadata: body.metadata ?? {},
        riskScore: told.risk_score,
        createdAt: at,
      });
      scene.events.push({ type: "hold.authorised", object: id, user: payer.user, amount, currency: payer.currency });
      return;
    }
    case "increment": {
      const hold = model.now.hold(operation.hold);
      if (hold !== undefined) countVelocity(scene, accountOf(scene, hold.from));
      performOnHold(scene, operation, id);
      return;
    }
    case "void":
    case "capture":
      performOnHold(scene, operation, id);
      return;
    case "reverse": {
      const original = model.now.transaction(operation.transaction);
      if (original === undefined) throw new Error("a transaction that is not there was reversed");
      const amount = operation.body.amount === undefined ? original.amount - original.reversed : BigInt(operation.body.amount);
      const [payer, payee] = [accountOf(scene, original.to), accountOf(scene, original.from)];
      const { reference = null, metadata = {} } = operation.body;
      // The event names the customer: of a deposit that is who received it, otherwise who paid.
      const customer = payee.user === null ? payer : payee;
      performMovement(scene, id, customer, payer, payee, { type: "reversal", amount, reference, metadata, reverses: original.id });
      model.transactions.set(commit, original.id, { ...original, reversed: original.reversed + amount });
      return;
    }
    case "review":
      performReview(scene, operation.review, operation.verdict);
      return;
    default:
      operation satisfies never;
  }
}

function toldOf(told: Told): { id: string; review: string | null; riskScore: unknown; risk: unknown } {
  return { id: text(told.id), review: told.review_id === null ? null : text(told.review_id), riskScore: told.risk_score, risk: told.risk };
}
