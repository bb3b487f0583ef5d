import type { EventDraft, EventType } from "#audit/index.ts";
import type { Asked, Executed, Need, Working } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import type { AccountId, UserId } from "#kernel/ids.ts";
import { minorFromWire, minorToWire } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Metadata } from "#vault/index.ts";
import { openMetadata, sealOptional } from "#vault/index.ts";
import type { Account } from "#ledger/index.ts";
import { accounts, changeTerms, closeAccount, freezeAccount, readAccount, unfreezeAccount } from "#ledger/index.ts";
import { keptAccount, showAccount } from "./present-account.ts";
import { checkMetadata } from "./check-metadata.ts";
import type { AccountDeps } from "./deps.ts";

export interface ChangeTermsBody {
  readonly overdraft_limit?: number;
  readonly interest_rate_bps?: number;
  /** Replaces the metadata; `null` removes it. */
  readonly metadata?: Metadata | null;
}

interface ChangeAsked {
  readonly id: AccountId;
  /** The version the client has seen, from If-Match. */
  readonly ifVersion?: number | undefined;
  /** It must not wait for a key, though its answer may need one. */
  readonly urgent?: boolean;
  /** The status of its success; 200 where absent. */
  readonly status?: number;
  readonly type: EventType;
  /** Whom the event is about; the first owner where absent. */
  readonly userId?: UserId;
  /** What the event tells, of the account as it was. */
  readonly details?: EventDraft["details"] | ((before: Account) => EventDraft["details"]);
  /** What `decide` reads beside the account. */
  readonly needs?: readonly Need[];
  readonly decide: (account: Account, at: number, work: Working) => { readonly ok: true; readonly account: Account } | Refusal;
}

/** One change of an account: the version seen, the decision, the event, and the account as the answer. */
export async function changeAccount(deps: AccountDeps, asked: Asked, change: ChangeAsked): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const { id } = change;
  const eventId = deps.ids.next("event");
  const found = await readAccount(deps.store, organisationId, id);
  // What could not be shown when it is done is refused before.
  if (found !== undefined && change.urgent !== true)
    await openMetadata(deps.vault, organisationId, "smartfinance-accounts", id, found.metadata);
  const executed = await deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs: found === undefined ? [] : [{ collection: accounts, key: { hash: id }, mode: "write" }, ...(change.needs ?? [])],
    decide(view, at) {
      const work = workOn(view);
      const account = found === undefined ? undefined : work.get(accounts, { hash: id });
      if (account === undefined) return refused(refuse("not_found"), requestId);
      if (change.ifVersion !== undefined && change.ifVersion !== account.version)
        return refused(refuse("version_conflict", undefined, `The current version is ${account.version}.`), requestId);
      const decision = change.decide(account, at, work);
      if (!decision.ok) return refused(decision, requestId);
      work.put(accounts, decision.account);
      work.tell({
        id: eventId,
        type: change.type,
        objectId: id,
        userId: change.userId ?? account.userId ?? undefined,
        currency: account.currency,
        details: typeof change.details === "function" ? change.details(account) : change.details,
      });
      return work.outcome(replied(change.status ?? 200, keptAccount(decision.account, at)));
    },
  });
  return showAccount(deps.vault, organisationId, executed);
}

/** PATCH /v1/accounts/{id}. */
export async function changeAccountTerms(
  deps: AccountDeps,
  asked: Asked,
  id: AccountId,
  body: ChangeTermsBody,
  ifVersion: number | undefined,
): Promise<Executed> {
  const { organisationId } = asked.actor;
  const metadata =
    body.metadata === undefined || body.metadata === null
      ? body.metadata
      : await sealOptional(deps.vault, organisationId, "smartfinance-accounts", id, body.metadata);
  const overdraftLimit = body.overdraft_limit === undefined ? undefined : minorFromWire(body.overdraft_limit);
  return changeAccount(deps, asked, {
    id,
    ifVersion,
    type: "account.updated",
    details: {
      // The names of what changed, and the values of the terms; metadata may be personal and stays out.
      fields: Object.keys(body).sort(),
      ...(overdraftLimit === undefined ? {} : { overdraft_limit: minorToWire(overdraftLimit) }),
      ...(body.interest_rate_bps === undefined ? {} : { interest_rate_bps: body.interest_rate_bps }),
    },
    decide: (account, at) =>
      checkMetadata(body.metadata) ?? changeTerms(account, { overdraftLimit, interestRateBps: body.interest_rate_bps, metadata }, at),
  });
}

const statusChanges = {
  freeze: { type: "account.frozen", decide: freezeAccount, urgent: true },
  unfreeze: { type: "account.unfrozen", decide: unfreezeAccount },
  close: { type: "account.closed", decide: closeAccount },
} as const;

/** POST /v1/accounts/{id}/freeze, /unfreeze, /close. */
export function changeAccountStatus(deps: AccountDeps, asked: Asked, id: AccountId, verb: keyof typeof statusChanges): Promise<Executed> {
  return changeAccount(deps, asked, { id, ...statusChanges[verb] });
}
