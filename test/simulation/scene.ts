import type { Model, ModelAccount, ModelTransaction } from "./model.ts";
import { MAX } from "./model.ts";

/** An audit event that has to be there. */
export interface ExpectedEvent {
  readonly type: string;
  /** Undefined where the client is never told the id. */
  readonly object: string | undefined;
  readonly transaction?: string | undefined;
  readonly user?: string | null | undefined;
  readonly amount?: bigint | undefined;
  readonly currency?: string | undefined;
  readonly entries?: readonly (readonly [account: string, amount: bigint])[] | undefined;
}

/** Where and when an effect takes place. `events` and `problems` are filled. */
export interface Scene {
  readonly model: Model;
  readonly tenant: string;
  readonly commit: number;
  /** Milliseconds: the time of the decision. */
  readonly at: number;
  readonly events: ExpectedEvent[];
  readonly problems: string[];
}

export function change(scene: Scene, account: ModelAccount, fields: Partial<ModelAccount>): void {
  const clock = Math.max(account.clock, scene.at);
  const changed = { ...account, ...fields, version: account.version + 1, clock };
  scene.model.accounts.set(scene.commit, account.id, changed);
}

export function accountOf(scene: Scene, id: string): ModelAccount {
  const account = scene.model.now.account(id);
  if (account === undefined) throw new Error(`the model has no account ${id}`);
  return account;
}

/** Moves money: two entries that sum to zero. Returns when it counts as posted. */
export function move(scene: Scene, transaction: string, payer: ModelAccount, payee: ModelAccount, amount: bigint): number {
  const at = Math.max(scene.at, payer.postedAt, payee.postedAt);
  for (const [account, signed] of [
    [payer, -amount],
    [payee, amount],
  ] as const) {
    const balance = account.balance + signed;
    if (balance > MAX || balance < -MAX) scene.problems.push(`balance ${balance} of ${account.id} does not fit the wire`);
    const entries = [...account.entries, { transaction, amount: signed, after: balance, at }];
    change(scene, account, { balance, entries, postedAt: at });
  }
  return at;
}

export function reserve(account: ModelAccount, id: string, amount: bigint, until: number | null): ModelAccount {
  const reserved = new Map(account.reserved);
  if (amount > 0n) reserved.set(id, { amount, until });
  else reserved.delete(id);
  return { ...account, reserved };
}

export function release(account: ModelAccount, id: string): ModelAccount {
  return reserve(account, id, 0n, null);
}

export function remember(
  scene: Scene,
  transaction: Partial<ModelTransaction> & Pick<ModelTransaction, "id" | "type" | "from" | "to" | "amount">,
): void {
  const { id, from } = transaction;
  if (scene.model.now.transaction(id) !== undefined) scene.problems.push(`transaction ${id} exists already`);
  scene.model.transactions.set(scene.commit, id, {
    tenant: scene.tenant,
    status: "posted",
    currency: accountOf(scene, from).currency,
    reference: null,
    metadata: {},
    review: null,
    hold: null,
    reverses: null,
    reversed: 0n,
    createdAt: scene.at,
    postedAt: null,
    risk: null,
    ...transaction,
  });
}

/** A movement that is not scored by itself. */
export function performMovement(
  scene: Scene,
  id: string,
  customer: ModelAccount,
  payer: ModelAccount,
  payee: ModelAccount,
  fields: Partial<ModelTransaction> & Pick<ModelTransaction, "type" | "amount">,
): void {
  const { type, amount } = fields;
  const postedAt = move(scene, id, payer, payee, amount);
  remember(scene, { ...fields, id, from: payer.id, to: payee.id, postedAt });
  const entries = [[payer.id, -amount] as const, [payee.id, amount] as const];
  const { currency } = payer;
  scene.events.push({ type: `${type}.posted`, object: id, transaction: id, user: customer.user, amount, currency, entries });
}
