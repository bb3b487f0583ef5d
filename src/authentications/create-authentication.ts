import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import { passkeyRequestWithResets } from "#factors/index.ts";
import { readUser } from "#identity/index.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { challengeOf, toBase64url } from "./approval.ts";
import type { Authentication } from "./authentication.ts";
import { AUTHENTICATION_LIFE_MS, authentications } from "./authentication.ts";
import type { AuthenticationDeps } from "./deps.ts";
import { presentAuthentication } from "./present-authentication.ts";
import type { CreateAuthenticationBody } from "./read-approval.ts";
import { NOT_WAITING, readApproval, waitingApproval } from "./read-approval.ts";
import { sealApproval } from "./sealed-approval.ts";
import { noPasskeyOf } from "./requirement.ts";
import { subjectOf } from "./subject.ts";

const NONCE_BYTES = 32;

/**
 * POST /v1/authentications: a challenge that is bound to what is approved. For a payment that waits it ends with the payment at the latest.
 */
export async function createAuthentication(deps: AuthenticationDeps, asked: Asked, body: CreateAuthenticationBody): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const refuseWith = (refusal: Refusal): Promise<Executed> =>
    deps.queue.execute({ ...asked, needs: [], decide: () => refused(refusal, requestId) });
  const user = await readUser(deps.store, organisationId, body.user_id);
  if (user === undefined) return refuseWith(refuse("user_not_found", "user_id"));
  if (user.status === "closed") return refuseWith(refuse("user_not_active", "user_id"));
  const read = await readApproval(deps, organisationId, body);
  if (!read.ok) return refuseWith(read);
  const { approval, waiting } = read;

  const id = deps.ids.next("authentication");
  const eventId = deps.ids.next("event");
  const nonce = deps.random.bytes(NONCE_BYTES);
  const challenge = challengeOf(nonce, user.id, approval);
  const { deviceBound } = await deps.policies.of(organisationId);
  const request = await passkeyRequestWithResets(deps, subjectOf(organisationId, user.id), challenge, { deviceBound });
  if (request === undefined) return refuseWith(refuse("authentication_unavailable", "user_id", noPasskeyOf(user.id, deviceBound)));
  const sealed = sealApproval(deps.vault, await deps.vault.dataKey(organisationId), id, approval);
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    // It shows names, which are stored sealed.
    privateReply: true,
    needs: waiting?.needs ?? [],
    decide(view, at) {
      const work = workOn(view);
      if (waiting !== undefined && body.transaction_id !== undefined) {
        const still = waiting.mayBeApprovedBy(work, user.id) ? waiting.stillWaiting(work, at) : undefined;
        const same =
          still !== undefined && challengeOf(nonce, user.id, waitingApproval(body.transaction_id, still, body.payee_name ?? null));
        if (same === false || toBase64url(same) !== toBase64url(challenge))
          return refused(refuse("transaction_not_found", "transaction_id", NOT_WAITING), requestId);
      }
      const created: Authentication = {
        id,
        organisationId,
        userId: user.id,
        purpose: approval.purpose,
        transactionId: body.transaction_id ?? null,
        approval: sealed,
        nonce: toBase64url(nonce),
        challenge: toBase64url(challenge),
        status: "pending",
        failures: 0,
        factors: [],
        createdAt: at,
        factorResets: request.resets,
        expiresAt: Math.min(at + AUTHENTICATION_LIFE_MS, waiting?.expiresAt ?? Number.POSITIVE_INFINITY),
        succeededAt: null,
        usedFor: null,
        version: 1,
      };
      work.put(authentications, created);
      work.tell({
        id: eventId,
        type: "authentication.created",
        objectId: id,
        userId: user.id,
        transactionId: body.transaction_id,
        details: { purpose: approval.purpose },
      });
      return work.outcome(replied(201, presentAuthentication(created, approval, request.options, at)));
    },
  });
}
