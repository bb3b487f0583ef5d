import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import type { AccountId, AuthenticationId, BeneficiaryId, UserId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { readAccount } from "#ledger/index.ts";
import type { Beneficiary } from "./beneficiary.ts";
import {
  beneficiaries,
  beneficiaryIdOf,
  presentBeneficiary,
  readBeneficiary,
  sealBeneficiaryName,
  showBeneficiary,
} from "./beneficiary.ts";
import type { AuthenticationDeps } from "./deps.ts";
import { shownNeed, useAuthentication, withApproved } from "./use-authentication.ts";

export interface CreateBeneficiaryBody {
  readonly user_id: UserId;
  readonly account_id: AccountId;
  readonly name: string;
  /** One that succeeded for exactly this beneficiary. */
  readonly authentication_id: AuthenticationId;
}

export interface UpdateBeneficiaryBody {
  readonly name: string;
  readonly authentication_id: AuthenticationId;
}

/**
 * POST /v1/beneficiaries: puts a payee on the user's list, authenticated. What was approved names user, account and name, so nobody but
 * the user puts anything there: whoever calls the API brings the user's authentication or nothing.
 */
export async function createBeneficiary(deps: AuthenticationDeps, asked: Asked, body: CreateBeneficiaryBody): Promise<Executed> {
  const { user_id, account_id } = body;
  const { organisationId, requestId } = asked.actor;
  if ((await readAccount(deps.store, organisationId, account_id)) === undefined)
    return deps.queue.execute({ ...asked, needs: [], decide: () => refused(refuse("account_not_found", "account_id"), requestId) });
  return put(deps, asked, beneficiaryIdOf(user_id, account_id), body, { ...body, beneficiary_id: null }, 201);
}

/** PATCH /v1/beneficiaries/{id}: another name for a payee on the list, authenticated like the first. */
export async function updateBeneficiary(
  deps: AuthenticationDeps,
  asked: Asked,
  id: BeneficiaryId,
  body: UpdateBeneficiaryBody,
): Promise<Executed> {
  const found = await readBeneficiary(deps.store, asked.actor.organisationId, id);
  if (found === undefined || found.status === "removed")
    return deps.queue.execute({ ...asked, needs: [], decide: () => refused(refuse("not_found"), asked.actor.requestId) });
  const { accountId: account_id, userId: user_id } = found;
  return put(deps, asked, id, { ...body, user_id, account_id }, { ...body, account_id, beneficiary_id: id }, 200);
}

async function put(
  deps: AuthenticationDeps,
  asked: Asked,
  id: BeneficiaryId,
  body: CreateBeneficiaryBody,
  approved: { readonly account_id: AccountId; readonly name: string; readonly beneficiary_id: BeneficiaryId | null },
  status: 200 | 201,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const { user_id: userId, account_id: accountId, name, authentication_id } = body;
  const shown = await withApproved(deps, {
    organisationId,
    id: authentication_id,
    approval: { purpose: "beneficiary" as const, beneficiary: approved },
    eventId: deps.ids.next("event"),
  });
  const eventId = deps.ids.next("event");
  const sealed = sealBeneficiaryName(deps.vault, await deps.vault.dataKey(organisationId), id, name);
  const key = { hash: id };
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    privateReply: true,
    needs: [shownNeed(shown), { collection: beneficiaries, key, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const used = useAuthentication(work, shown, (approver) => approver === userId, at);
      if (!used.ok) return used.changed ? work.outcome(refused(used.refusal, requestId).reply) : refused(used.refusal, requestId);
      const before = work.get(beneficiaries, key);
      // Taken off the list between the look and this: what is off the list is put there by its creation only.
      if (status === 200 && before?.status !== "active") return refused(refuse("not_found"), requestId);
      const one: Beneficiary = {
        id,
        organisationId,
        userId,
        accountId,
        name: sealed,
        status: "active",
        authenticationId: authentication_id,
        createdAt: before?.createdAt ?? at,
        updatedAt: Math.max(at, before?.updatedAt ?? at),
        version: (before?.version ?? 0) + 1,
      };
      work.put(beneficiaries, one);
      used.consume(work, id);
      const type = before?.status === "active" ? "beneficiary.updated" : "beneficiary.created";
      work.tell({ id: eventId, type, objectId: id, userId, details: { account_id: accountId, authentication_id } });
      return work.outcome(replied(status, showBeneficiary(one, name)));
    },
  });
}

/** DELETE /v1/beneficiaries/{id}: trusts a payee no longer. That asks for nothing, because it only makes payments harder. */
export async function removeBeneficiary(deps: AuthenticationDeps, asked: Asked, id: BeneficiaryId): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  const key = { hash: id };
  const found = await readBeneficiary(deps.store, organisationId, id);
  const shown = found === undefined ? undefined : await presentBeneficiary(deps.vault, found);
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    privateReply: true,
    needs: found === undefined ? [] : [{ collection: beneficiaries, key, mode: "write" }],
    decide(view, at) {
      if (found === undefined || shown === undefined) return refused(refuse("not_found"), requestId);
      const work = workOn(view);
      const stored = work.get(beneficiaries, key);
      if (stored === undefined || stored.status === "removed") return refused(refuse("not_found"), requestId);
      const removed: Beneficiary = {
        ...stored,
        status: "removed",
        updatedAt: Math.max(at, stored.updatedAt),
        version: stored.version + 1,
      };
      work.put(beneficiaries, removed);
      work.tell({
        id: eventId,
        type: "beneficiary.removed",
        objectId: id,
        userId: stored.userId,
        details: { account_id: stored.accountId },
      });
      return work.outcome(replied(200, showBeneficiary(removed, String(shown["name"]))));
    },
  });
}
