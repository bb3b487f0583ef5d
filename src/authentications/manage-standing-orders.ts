import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { AccountId, AuthenticationId, StandingOrderId, UserId } from "#kernel/ids.ts";
import type { Currency } from "#kernel/money.ts";
import { minorFromWire, minorToWire } from "#kernel/money.ts";
import { refuse } from "#kernel/problems.ts";
import { accounts, mayInitiate, readAccount } from "#ledger/index.ts";
import type { AuthenticationDeps } from "./deps.ts";
import type { StandingOrder } from "./standing-order.ts";
import { presentStandingOrder, readStandingOrder, standingOrders } from "./standing-order.ts";
import { shownNeed, useAuthentication, withApproved } from "./use-authentication.ts";

export interface CreateStandingOrderBody {
  readonly from_account_id: AccountId;
  readonly to_account_id: AccountId;
  readonly amount: number;
  readonly currency: Currency;
  readonly payee_name?: string;
  readonly authentication_id: AuthenticationId;
}

export interface UpdateStandingOrderBody {
  readonly to_account_id?: AccountId;
  readonly amount?: number;
  readonly payee_name?: string;
  readonly authentication_id: AuthenticationId;
}

interface Terms {
  /** Whose it is already; `undefined` for a new one, which is whose the authentication is. */
  readonly userId: UserId | undefined;
  readonly fromAccountId: AccountId;
  readonly toAccountId: AccountId;
  readonly amount: number;
  readonly currency: Currency;
  readonly payeeName: string | null;
}

/** POST /v1/standing-orders: a series of one amount to one payee, authenticated. Its first payment is authenticated once more. */
export async function createStandingOrder(deps: AuthenticationDeps, asked: Asked, body: CreateStandingOrderBody): Promise<Executed> {
  const { organisationId } = asked.actor;
  const payer = await readAccount(deps.store, organisationId, body.from_account_id);
  if (payer?.userId === undefined || payer.userId === null) return refuseWith(deps, asked, "from_account_id");
  if ((await readAccount(deps.store, organisationId, body.to_account_id)) === undefined) return refuseWith(deps, asked, "to_account_id");
  const terms = {
    userId: undefined,
    fromAccountId: body.from_account_id,
    toAccountId: body.to_account_id,
    amount: body.amount,
    currency: body.currency,
    payeeName: body.payee_name ?? null,
  };
  return put(deps, asked, undefined, terms, body.authentication_id);
}

/** PATCH /v1/standing-orders/{id}: another amount or payee, authenticated. The series begins anew, so its next payment is, too. */
export async function updateStandingOrder(
  deps: AuthenticationDeps,
  asked: Asked,
  id: StandingOrderId,
  body: UpdateStandingOrderBody,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const found = await readStandingOrder(deps.store, organisationId, id);
  if (found === undefined) return deps.queue.execute({ ...asked, needs: [], decide: () => refused(refuse("not_found"), requestId) });
  const toAccountId = body.to_account_id ?? found.toAccountId;
  if ((await readAccount(deps.store, organisationId, toAccountId)) === undefined) return refuseWith(deps, asked, "to_account_id");
  const terms = {
    userId: found.userId,
    fromAccountId: found.fromAccountId,
    toAccountId,
    amount: body.amount ?? minorToWire(found.amount),
    currency: found.currency,
    payeeName: body.payee_name ?? null,
  };
  return put(deps, asked, id, terms, body.authentication_id);
}

function refuseWith(deps: AuthenticationDeps, asked: Asked, param: string): Promise<Executed> {
  return deps.queue.execute({
    ...asked,
    needs: [],
    decide: () => refused(refuse("account_not_found", param), asked.actor.requestId),
  });
}

async function put(
  deps: AuthenticationDeps,
  asked: Asked,
  changed: StandingOrderId | undefined,
  terms: Terms,
  authenticationId: AuthenticationId,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const { fromAccountId, toAccountId, amount, currency, payeeName } = terms;
  const shown = await withApproved(deps, {
    organisationId,
    id: authenticationId,
    approval: {
      purpose: "standing_order" as const,
      standing_order: {
        from_account_id: fromAccountId,
        to_account_id: toAccountId,
        amount,
        currency,
        payee_name: payeeName,
        standing_order_id: changed ?? null,
      },
    },
    eventId: deps.ids.next("event"),
  });
  const eventId = deps.ids.next("event");
  const id = changed ?? deps.ids.next("standingOrder");
  const key = { hash: id };
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs: [
      shownNeed(shown),
      { collection: standingOrders, key, mode: "write" },
      { collection: accounts, key: { hash: fromAccountId }, mode: "read" },
    ],
    decide(view, at) {
      const work = workOn(view);
      const before = work.get(standingOrders, key);
      if (before?.status === "canceled") return refused(refuse("standing_order_not_active"), requestId);
      const payer = work.get(accounts, { hash: fromAccountId });
      invariant(payer, "accounts are never deleted");
      // Anybody who may start payments from the account at this moment; of one that is there, only the person who made it.
      const mayApprove = (approver: UserId): boolean => approver === (terms.userId ?? approver) && mayInitiate(payer, approver);
      const used = useAuthentication(work, shown, mayApprove, at);
      if (!used.ok) return used.changed ? work.outcome(refused(used.refusal, requestId).reply) : refused(used.refusal, requestId);
      const { userId } = used;
      const order: StandingOrder = {
        id,
        organisationId,
        userId,
        fromAccountId,
        toAccountId,
        amount: minorFromWire(amount),
        currency,
        status: "active",
        payments: 0,
        authenticationId,
        createdAt: before?.createdAt ?? at,
        updatedAt: Math.max(at, before?.updatedAt ?? at),
        version: (before?.version ?? 0) + 1,
      };
      work.put(standingOrders, order);
      used.consume(work, id);
      const type = before === undefined ? "standing_order.created" : "standing_order.updated";
      work.tell({
        id: eventId,
        type,
        objectId: id,
        userId,
        amount: order.amount,
        currency,
        details: { from_account_id: fromAccountId, to_account_id: toAccountId, authentication_id: authenticationId },
      });
      return work.outcome(replied(before === undefined ? 201 : 200, presentStandingOrder(order)));
    },
  });
}

/** POST /v1/standing-orders/{id}/cancel: the series ends. That asks for nothing, because it only makes payments harder. */
export async function cancelStandingOrder(deps: AuthenticationDeps, asked: Asked, id: StandingOrderId): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  const key = { hash: id };
  const found = await readStandingOrder(deps.store, organisationId, id);
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs: found === undefined ? [] : [{ collection: standingOrders, key, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const stored = found === undefined ? undefined : work.get(standingOrders, key);
      if (stored === undefined) return refused(refuse("not_found"), requestId);
      if (stored.status === "canceled") return refused(refuse("standing_order_not_active"), requestId);
      const canceled: StandingOrder = {
        ...stored,
        status: "canceled",
        updatedAt: Math.max(at, stored.updatedAt),
        version: stored.version + 1,
      };
      work.put(standingOrders, canceled);
      work.tell({ id: eventId, type: "standing_order.canceled", objectId: id, userId: stored.userId });
      return work.outcome(replied(200, presentStandingOrder(canceled)));
    },
  });
}
