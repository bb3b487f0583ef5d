import type { Authentication } from "#authentications/index.ts";
import { cancelAuthentication, readAuthentication, showAuthentication, verifyAuthentication } from "#authentications/index.ts";
import type { Executed } from "#commit/index.ts";
import { refuseAtOnce, replied } from "#commit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { AuthenticationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import { refuse } from "#kernel/problems.ts";
import { completeSession } from "./complete-session.ts";
import type { PagesDeps } from "./deps.ts";
import type { HostedSession } from "./session.ts";
import type { Visitor } from "./visit.ts";
import { askedOn } from "./visit.ts";

function authenticationOf({ authenticationId }: HostedSession): AuthenticationId {
  invariant(authenticationId !== null, "a session to approve something names what");
  return authenticationId;
}

/** What a passkey is asked to sign. The challenge is made of what is approved, so the page can tell whether it is what it shows. */
export async function approvalOptions(deps: PagesDeps, session: HostedSession, visitor: Visitor): Promise<Executed> {
  const found = await readAuthentication(deps.store, session.organisationId, authenticationOf(session));
  const shown = found === undefined ? undefined : await showAuthentication(deps, found);
  const options = shown?.["passkey_options"] ?? null;
  // What still waits and cannot be asked for: the customer's passkeys were removed since, or are no longer of the kind the policy takes.
  const why = shown?.["status"] === "pending" ? "authentication_unavailable" : "authentication_not_usable";
  if (options === null) return refuseAtOnce(refuse(why), visitor.requestId);
  return { ok: true, replayed: false, reply: replied(200, { options }) };
}

/** Approves: the proof is verified and used up with the payment, then the visit is over. */
export async function approve(
  deps: PagesDeps,
  session: HostedSession,
  visitor: Visitor,
  { response }: { readonly response: JsonObject },
): Promise<Executed> {
  const proofs = [{ type: "passkey" as const, response }];
  const verified = await verifyAuthentication(deps, askedOn(session, visitor), authenticationOf(session), { proofs });
  if (!verified.ok || verified.reply.status >= 300) return verified;
  return endWith(deps, session, "approved", visitor);
}

/**
 * Whether what an authentication is for can still be given up. A payment that several authentications were asked for, of one payer or of
 * joint holders, goes on with the first: by then whoever declines by another one stops nothing.
 */
export async function canBeAnswered({ waiting }: PagesDeps, { organisationId, transactionId }: Authentication): Promise<boolean> {
  return transactionId === null || (await waiting.read(organisationId, transactionId)) !== undefined;
}

/** Declines: the authentication is withdrawn, and with it a payment that waits. */
export async function decline(deps: PagesDeps, session: HostedSession, visitor: Visitor): Promise<Executed> {
  const found = await readAuthentication(deps.store, session.organisationId, authenticationOf(session));
  if (found !== undefined && !(await canBeAnswered(deps, found)))
    return refuseAtOnce(refuse("authentication_not_usable"), visitor.requestId);
  const canceled = await cancelAuthentication(deps, askedOn(session, visitor), authenticationOf(session));
  if (!canceled.ok || canceled.reply.status >= 300) return canceled;
  return endWith(deps, session, "declined", visitor);
}

/** Ends the visit after its answer has been committed: where that is not written down, nobody may be told that nothing was done. */
async function endWith(deps: PagesDeps, session: HostedSession, result: "approved" | "declined", visitor: Visitor): Promise<Executed> {
  const ended = await completeSession(deps, session, result, visitor);
  return ended.ok && ended.reply.status < 300 ? ended : { ok: false, code: "outcome_unknown" };
}
