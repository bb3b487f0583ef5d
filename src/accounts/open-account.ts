import type { Asked, Executed, Working } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import type { User } from "#identity/index.ts";
import { users } from "#identity/index.ts";
import type { OrganisationId, UserId } from "#kernel/ids.ts";
import type { Currency } from "#kernel/money.ts";
import { minorFromWire } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Metadata } from "#vault/index.ts";
import { sealOptional } from "#vault/index.ts";
import type { AccountType, Holder } from "#ledger/index.ts";
import { accounts, isOwner, openAccount } from "#ledger/index.ts";
import { checkMetadata } from "./check-metadata.ts";
import type { HolderBody } from "./change-holders.ts";
import { holderToBe, sharing, userNeed } from "./change-holders.ts";
import { presentAccount } from "./present-account.ts";
import type { AccountDeps } from "./deps.ts";

export interface OpenAccountBody {
  readonly type: Exclude<AccountType, "settlement">;
  readonly currency: Currency;
  /** The only owner. */
  readonly user_id?: UserId;
  /** Everybody who holds it, in the place of `user_id`. The first owner among them is the account's `user_id`. */
  readonly holders?: readonly HolderBody[];
  readonly overdraft_limit?: number;
  readonly interest_rate_bps?: number;
  readonly metadata?: Metadata;
}

/** POST /v1/accounts. Customers' accounts belong to users, the organisation's fee accounts to none. */
export async function openAccountFor(deps: AccountDeps, asked: Asked, body: OpenAccountBody): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const id = deps.ids.next("account");
  const eventId = deps.ids.next("event");
  const named = namedHolders(body);
  const metadata = await sealOptional(deps.vault, organisationId, "smartfinance-accounts", id, body.metadata);
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    privateReply: body.metadata !== undefined,
    needs: named.ok ? named.holders.map(({ user_id }) => userNeed(user_id)) : [],
    decide(view, at) {
      if (!named.ok) return refused(named, requestId);
      const oversize = checkMetadata(body.metadata);
      if (oversize !== undefined) return refused(oversize, requestId);
      const work = workOn(view);
      const found = findHolders(work, organisationId, named.holders);
      if (!found.ok) return refused(found, requestId);
      const userId = found.holders[0]?.userId ?? null;
      const account = openAccount(
        {
          id,
          organisationId,
          userId,
          holders: found.holders,
          type: body.type,
          currency: body.currency,
          overdraftLimit: minorFromWire(body.overdraft_limit ?? 0),
          interestRateBps: body.interest_rate_bps ?? 0,
          metadata,
        },
        at,
      );
      work.put(accounts, account);
      for (const user of found.users)
        work.put(
          users,
          user.id === userId ? { ...user, accountCount: user.accountCount + 1, version: user.version + 1 } : sharing(user, id),
        );
      work.tell({
        id: eventId,
        type: "account.created",
        objectId: id,
        userId: userId ?? undefined,
        currency: body.currency,
        details: {
          type: body.type,
          overdraft_limit: body.overdraft_limit ?? 0,
          interest_rate_bps: body.interest_rate_bps ?? 0,
          ...(body.holders === undefined ? {} : { holders: found.holders.map(({ userId: holder, role }) => ({ user_id: holder, role })) }),
        },
      });
      return work.outcome(replied(201, presentAccount(account, body.metadata ?? {}, at)));
    },
  });
}

/** A holder as the body names one, and where in the body that is. */
interface Named extends HolderBody {
  readonly params: { readonly user: string; readonly role: string };
}

type NamedHolders = { readonly ok: true; readonly holders: readonly Named[] } | Refusal;

/** Who is to hold the account, the first owner first; nobody where it is the organisation's own. */
function namedHolders({ type, user_id, holders }: OpenAccountBody): NamedHolders {
  const param = user_id === undefined && holders !== undefined ? "holders" : "user_id";
  if (type === "fees" && (user_id ?? holders) !== undefined) return refuse("invalid_request", param, "A fees account belongs to no user.");
  if (type === "fees") return { ok: true, holders: [] };
  if (user_id !== undefined && holders !== undefined) return refuse("invalid_request", "holders", "Give user_id or holders, not both.");
  if (user_id !== undefined) return { ok: true, holders: [{ user_id, role: "owner", params: { user: "user_id", role: "user_id" } }] };
  if (holders === undefined) return refuse("missing_field", "user_id", "This type of account belongs to a user.");
  const named = holders.map((holder, n): Named => ({ ...holder, params: { user: `holders.${n}.user_id`, role: `holders.${n}.role` } }));
  const twice = named.find((holder, n) => named.findIndex(({ user_id: other }) => other === holder.user_id) !== n);
  if (twice !== undefined) return refuse("invalid_request", twice.params.user, "Every user is named once.");
  const first = named.find(({ role }) => isOwner(role));
  if (first === undefined) return refuse("invalid_request", "holders", "One of the holders has to be an owner.");
  return { ok: true, holders: [first, ...named.filter((holder) => holder !== first)] };
}

type FoundHolders = { readonly ok: true; readonly users: readonly User[]; readonly holders: readonly Holder[] } | Refusal;

function findHolders(work: Working, organisationId: OrganisationId, named: readonly Named[]): FoundHolders {
  const found: User[] = [];
  const holders: Holder[] = [];
  for (const body of named) {
    const one = holderToBe(work, organisationId, body, body.params);
    if (!one.ok) return one;
    found.push(one.user);
    holders.push(one.holder);
  }
  return { ok: true, users: found, holders };
}
