import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import { MAX_ACCOUNTS, users } from "#identity/index.ts";
import type { UserId } from "#kernel/ids.ts";
import type { Currency } from "#kernel/money.ts";
import { minorFromWire } from "#kernel/money.ts";
import { refuse } from "#kernel/problems.ts";
import type { Metadata } from "#vault/index.ts";
import { sealOptional } from "#vault/index.ts";
import type { AccountType } from "#ledger/index.ts";
import { accounts, openAccount } from "#ledger/index.ts";
import { presentAccount } from "./present-account.ts";
import type { AccountDeps } from "./deps.ts";

export interface OpenAccountBody {
  readonly type: Exclude<AccountType, "settlement">;
  readonly currency: Currency;
  readonly user_id?: UserId;
  readonly overdraft_limit?: number;
  readonly interest_rate_bps?: number;
  readonly metadata?: Metadata;
}

/** POST /v1/accounts. Customers' accounts belong to a user, the organisation's fee accounts to none. */
export async function openAccountFor(deps: AccountDeps, asked: Asked, body: OpenAccountBody): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const id = deps.ids.next("account");
  const eventId = deps.ids.next("event");
  const userId = body.user_id ?? null;
  const metadata = await sealOptional(deps.vault, organisationId, "smartfinance-accounts", id, body.metadata);
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    privateReply: body.metadata !== undefined,
    needs: userId === null ? [] : [{ collection: users, key: { hash: userId }, mode: "write" }],
    decide(view, at) {
      if ((userId === null) !== (body.type === "fees")) {
        const detail = userId === null ? "This type of account belongs to a user." : "A fees account belongs to no user.";
        return refused(refuse(userId === null ? "missing_field" : "invalid_request", "user_id", detail), requestId);
      }
      const work = workOn(view);
      const user = userId === null ? null : work.get(users, { hash: userId });
      if (user === undefined || (user !== null && user.organisationId !== organisationId))
        return refused(refuse("user_not_found", "user_id"), requestId);
      if (user !== null && user.status !== "active")
        return refused(refuse("user_not_active", "user_id", `The user is ${user.status}.`), requestId);
      if (user !== null && user.accountCount >= MAX_ACCOUNTS) return refused(refuse("too_many_accounts", "user_id"), requestId);
      const account = openAccount(
        {
          id,
          organisationId,
          userId,
          type: body.type,
          currency: body.currency,
          overdraftLimit: minorFromWire(body.overdraft_limit ?? 0),
          interestRateBps: body.interest_rate_bps ?? 0,
          metadata,
        },
        at,
      );
      work.put(accounts, account);
      if (user !== null) work.put(users, { ...user, accountCount: user.accountCount + 1, version: user.version + 1 });
      work.tell({
        id: eventId,
        type: "account.created",
        objectId: id,
        userId: userId ?? undefined,
        currency: body.currency,
        details: { type: body.type, overdraft_limit: body.overdraft_limit ?? 0, interest_rate_bps: body.interest_rate_bps ?? 0 },
      });
      return work.outcome(replied(201, presentAccount(account, body.metadata ?? {}, at)));
    },
  });
}
