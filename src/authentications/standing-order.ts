import type { AccountId, AuthenticationId, OrganisationId, StandingOrderId, UserId } from "#kernel/ids.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import { minorFromWire, minorToWire } from "#kernel/money.ts";
import type { Collection, Store } from "#storage/index.ts";
import { toldMembers } from "#storage/index.ts";

export const STANDING_ORDERS_TABLE = "smartfinance-standing-orders";

/** A series of payments of one amount to one payee (RTS Art 14). The organisation makes the payments; this is what they are held against. */
export interface StandingOrder {
  readonly id: StandingOrderId;
  readonly organisationId: OrganisationId;
  readonly userId: UserId;
  readonly fromAccountId: AccountId;
  readonly toAccountId: AccountId;
  readonly amount: Minor;
  readonly currency: Currency;
  readonly status: "active" | "canceled";
  /** Payments of the series, from its first authenticated one on; 0 again after a change. */
  readonly payments: number;
  /** The authentication of the latest change. */
  readonly authenticationId: AuthenticationId;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly version: number;
}

/** What the audit log is told: all of it but its times. */
const ORDER_FACTS = [
  "organisation_id",
  "user_id",
  "from_account_id",
  "to_account_id",
  "amount",
  "currency",
  "status",
  "payments",
  "authentication_id",
];

export const standingOrders: Collection<StandingOrder> = {
  table: STANDING_ORDERS_TABLE,
  told: toldMembers("sto_", (one) => standingOrders.toItem(one), ORDER_FACTS),
  keyOf: ({ id }) => ({ hash: id }),
  toItem: (one) => ({
    id: one.id,
    organisation_id: one.organisationId,
    user_id: one.userId,
    from_account_id: one.fromAccountId,
    to_account_id: one.toAccountId,
    amount: minorToWire(one.amount),
    currency: one.currency,
    status: one.status,
    payments: one.payments,
    authentication_id: one.authenticationId,
    created_at: one.createdAt,
    updated_at: one.updatedAt,
    version: one.version,
  }),
  fromItem: (item) => ({
    id: item.id as StandingOrderId,
    organisationId: item.organisation_id as OrganisationId,
    userId: item.user_id as UserId,
    fromAccountId: item.from_account_id as AccountId,
    toAccountId: item.to_account_id as AccountId,
    amount: minorFromWire(Number(item.amount)),
    currency: item.currency as Currency,
    status: item.status as StandingOrder["status"],
    payments: Number(item.payments),
    authenticationId: item.authentication_id as AuthenticationId,
    createdAt: Number(item.created_at),
    updatedAt: Number(item.updated_at),
    version: Number(item.version),
  }),
};

/** Whether a payment is a later one of the series: same payer, payee, amount and currency, and not the first. */
export function isLaterPayment(
  order: StandingOrder,
  payment: Pick<StandingOrder, "fromAccountId" | "toAccountId" | "amount" | "currency">,
): boolean {
  return (
    order.status === "active" &&
    order.payments > 0 &&
    order.fromAccountId === payment.fromAccountId &&
    order.toAccountId === payment.toAccountId &&
    order.amount === payment.amount &&
    order.currency === payment.currency
  );
}

/** The order with one more payment made. */
export function withPayment(order: StandingOrder): StandingOrder {
  return { ...order, payments: order.payments + 1, version: order.version + 1 };
}

/** The order as the API shows it. */
export function presentStandingOrder(one: StandingOrder): JsonObject {
  return {
    id: one.id,
    object: "standing_order",
    user_id: one.userId,
    from_account_id: one.fromAccountId,
    to_account_id: one.toAccountId,
    amount: minorToWire(one.amount),
    currency: one.currency,
    status: one.status,
    payments: one.payments,
    authentication_id: one.authenticationId,
    created_at: toTimestamp(one.createdAt),
    updated_at: toTimestamp(one.updatedAt),
    version: one.version,
  };
}

/** A standing order of this organisation; another's reads like an unknown one. */
export async function readStandingOrder(
  store: Store,
  organisationId: OrganisationId,
  id: StandingOrderId,
): Promise<StandingOrder | undefined> {
  const item = await store.get(STANDING_ORDERS_TABLE, { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : standingOrders.fromItem(item);
}
