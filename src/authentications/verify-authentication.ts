import type { Asked, Executed, Outcome, Working } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import type { Checked, FactorCategory, FailedCheck, Proof, Subject } from "#factors/index.ts";
import { categoriesOf, checkCode, checkPasskey, FACTOR_APPENDS, factorNeeds, failedOutcome, useFactor, wasReset } from "#factors/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { AuthenticationId, EventId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Approval } from "./approval.ts";
import { challengeOf, fromBase64url, toBase64url } from "./approval.ts";
import type { Authentication } from "./authentication.ts";
import { AUTHENTICATION_LIFE_MS, authentications, MAX_FAILURES, readAuthentication, statusAt } from "./authentication.ts";
import type { AuthenticationDeps, WaitingPayment } from "./deps.ts";
import { presentAuthentication } from "./present-authentication.ts";
import { waitingApproval } from "./read-approval.ts";
import { openApproval } from "./sealed-approval.ts";
import { subjectOf } from "./subject.ts";

export interface VerifyBody {
  readonly proofs: readonly Proof[];
}

/** The most factors one authentication takes. */
export const MAX_PROOFS = 2;
/** Elements of different categories that have to be shown (PSD2 Art 4(30)). */
const CATEGORIES_NEEDED = 2;

/**
 * POST /v1/authentications/{id}/verify. What is signed is made anew from what is stored, of a waiting payment from the payment itself, so
 * whatever was changed in between gives another challenge. Success lets the waiting payment go on in the same commit; a failure is counted
 * in the same commit as it is refused, and reads the same whichever factor was wrong.
 */
export async function verifyAuthentication(
  deps: AuthenticationDeps,
  asked: Asked,
  id: AuthenticationId,
  body: VerifyBody,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const refuseWith = (refusal: Refusal): Promise<Executed> =>
    deps.queue.execute({ ...asked, needs: [], decide: () => refused(refusal, requestId) });
  const found = await readAuthentication(deps.store, organisationId, id);
  if (found === undefined) return refuseWith(refuse("not_found"));
  if (!showsEnough(body.proofs)) return refuseWith(refuse("factors_insufficient", "proofs"));
  const status = statusAt(found, deps.clock.now());
  // Stored states only ever move away from pending, so nothing has to be looked at for what is over.
  if (status !== "pending") return refuseWith(notUsable(status));
  const waiting = found.transactionId === null ? undefined : await deps.waiting.read(organisationId, found.transactionId);
  if (found.transactionId !== null && waiting === undefined)
    return refuseWith(notUsable("void, because its payment does not wait any more"));
  const { deviceBound } = await deps.policies.of(organisationId);

  const approval = await openApproval(deps.vault, found);
  const challenge = challengeOf(fromBase64url(found.nonce), found.userId, currentApproval(found, approval, waiting?.payment));
  const subject = subjectOf(organisationId, found.userId);
  const checked: (Checked | FailedCheck)[] = [];
  const asking = { deviceBound, askedAt: found.createdAt };
  for (const proof of body.proofs) checked.push(await check(deps, subject, challenge, proof, asking));
  const eventId = deps.ids.next("event");
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    privateReply: true,
    needs: [{ collection: authentications, key: { hash: id }, mode: "write" }, ...factorNeeds(subject), ...(waiting?.needs ?? [])],
    appends: 6 + MAX_PROOFS * FACTOR_APPENDS,
    decide(view, at) {
      const work = workOn(view);
      const stored = work.get(authentications, { hash: id });
      invariant(stored, "an authentication is never deleted");
      const on: Deciding = { stored, approval, waiting, eventId, requestId, work };
      const now = statusAt(stored, at);
      if (now !== "pending") return refused(notUsable(now), requestId);
      // It was asked of somebody who could prove nothing any more.
      if (wasReset(work, subject, { at: stored.createdAt, resets: stored.factorResets }))
        return refused(notUsable("void, because all factors of the user were taken away since"), requestId);
      const payment = waiting?.mayBeApprovedBy(work, stored.userId) === true ? waiting.stillWaiting(work, at) : undefined;
      if (waiting !== undefined && payment === undefined)
        return refused(notUsable("void, because its payment does not wait any more"), requestId);
      const current = challengeOf(fromBase64url(stored.nonce), stored.userId, currentApproval(stored, approval, payment));
      if (toBase64url(current) !== stored.challenge) return invalidate(on);
      const failed = useAll(work, checked, at);
      if (failed !== undefined) return countFailure(on, failed, at);
      return succeed(on, checked, at);
    },
  });
}

interface Deciding {
  readonly stored: Authentication;
  readonly approval: Approval;
  readonly waiting: WaitingPayment | undefined;
  readonly eventId: EventId;
  readonly requestId: string | null;
  readonly work: Working;
}

const notUsable = (what: string): Refusal => refuse("authentication_not_usable", undefined, `It is ${what}.`);

/** Whether the factors shown are of different categories, were they all right. Judged by their kinds alone, so it tells nothing of them. */
export function showsEnough(proofs: readonly Pick<Proof, "type">[]): boolean {
  const categories = new Set<FactorCategory>(proofs.flatMap(({ type }) => categoriesOf(type)));
  return categories.size >= CATEGORIES_NEEDED && new Set(proofs.map(({ type }) => type)).size === proofs.length;
}

/** What is approved as it stands now: of a payment that waits, the stored payment under the name that was shown. */
function currentApproval(stored: Authentication, approval: Approval, payment: WaitingPayment["payment"] | undefined): Approval {
  if (stored.transactionId === null || payment === undefined) return approval;
  invariant(approval.purpose === "payment", "what approves a waiting payment approves a payment");
  return waitingApproval(stored.transactionId, payment, approval.payment.payee_name);
}

function check(
  deps: AuthenticationDeps,
  subject: Subject,
  challenge: Uint8Array,
  proof: Proof,
  asking: { readonly deviceBound: boolean; readonly askedAt: number },
): Promise<Checked | FailedCheck> {
  return proof.type === "passkey"
    ? checkPasskey(deps, subject, challenge, proof.response, asking)
    : checkCode(deps, subject, proof.type, proof.code);
}

/**
 * Uses the factors up. Where one was not proved, or is spent by now, the others are left alone: a success would end the row of failures. So
 * they are tried on a copy first.
 */
function useAll(work: Working, checked: readonly (Checked | FailedCheck)[], at: number): Refusal | undefined {
  const copy = workOn(work);
  const wrong = checked.find((one) => useFactor(copy, one, at) !== undefined);
  for (const one of wrong === undefined ? checked : [wrong]) {
    const refusal = useFactor(work, one, at);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function invalidate({ stored, eventId, requestId, work }: Deciding): Outcome {
  work.put(authentications, { ...stored, status: "invalidated", version: stored.version + 1 });
  work.tell({ id: eventId, type: "authentication.invalidated", objectId: stored.id, userId: stored.userId });
  return failedOutcome(work, refuse("authentication_mismatch"), requestId);
}

function countFailure({ stored, waiting, eventId, requestId, work }: Deciding, refusal: Refusal, at: number): Outcome {
  // What was not even looked at counts nowhere.
  if (refusal.code === "authentication_blocked") return failedOutcome(work, refusal, requestId);
  const failures = stored.failures + 1;
  const over = failures >= MAX_FAILURES;
  work.put(authentications, { ...stored, failures, status: over ? "failed" : "pending", version: stored.version + 1 });
  if (over) {
    work.tell({ id: eventId, type: "authentication.failed", objectId: stored.id, userId: stored.userId, details: { failures } });
    waiting?.giveUp(work, "authentication_failed", at);
  }
  return failedOutcome(work, refusal, requestId);
}

function succeed(
  { stored, approval, waiting, eventId, requestId, work }: Deciding,
  checked: readonly (Checked | FailedCheck)[],
  at: number,
): Outcome {
  if (waiting !== undefined) {
    const completed = waiting.complete(work, stored.id, at);
    // Neither the factor nor the authentication counts as used: there is nothing it was used for.
    if (!completed.ok) return refused(completed, requestId);
  }
  const succeeded: Authentication = {
    ...stored,
    status: waiting === undefined ? "succeeded" : "consumed",
    factors: checked.flatMap((one) => (one.ok ? [{ id: one.factorId, type: one.type }] : [])),
    succeededAt: at,
    expiresAt: waiting === undefined ? at + AUTHENTICATION_LIFE_MS : stored.expiresAt,
    usedFor: stored.transactionId,
    version: stored.version + 1,
  };
  work.put(authentications, succeeded);
  work.tell({
    id: eventId,
    type: "authentication.succeeded",
    objectId: stored.id,
    userId: stored.userId,
    transactionId: stored.transactionId ?? undefined,
    details: { purpose: stored.purpose, factors: succeeded.factors.map(({ id, type }) => ({ id, type })) },
  });
  return work.outcome(replied(200, presentAuthentication(succeeded, approval, null, at)));
}
