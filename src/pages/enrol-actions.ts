import type { Executed } from "#commit/index.ts";
import { activateTotp, addPasskey, challengeFactor, factorsInUse, startPasskey, startTotp } from "#factors/index.ts";
import type { Proof } from "#factors/index.ts";
import { readOrganisation } from "#identity/index.ts";
import type { FactorId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import { completeSession } from "./complete-session.ts";
import type { PagesDeps } from "./deps.ts";
import type { HostedSession } from "./session.ts";
import { themeOf } from "./theme.ts";
import type { Visitor } from "./visit.ts";
import { askedOn, subjectOf } from "./visit.ts";

/**
 * The challenge of a new passkey. The customer's device will list it under what the organisation calls itself. Where the organisation takes only
 * device-bound ones for payments, no other is enrolled: the customer could approve nothing with it.
 */
export async function passkeyOptions(deps: PagesDeps, session: HostedSession, visitor: Visitor): Promise<Executed> {
  const [names, { deviceBound }] = await Promise.all([accountName(deps, session), deps.policies.of(session.organisationId)]);
  return startPasskey(deps, askedOn(session, visitor), subjectOf(session), { ...names, device_bound: deviceBound });
}

export async function newPasskey(
  deps: PagesDeps,
  session: HostedSession,
  visitor: Visitor,
  body: { readonly response: JsonObject; readonly proof?: Proof },
): Promise<Executed> {
  return addPasskey(deps, askedOn(session, visitor), subjectOf(session), body);
}

/** A challenge by which a passkey the customer has proves that it is the customer. */
export async function proofOptions(deps: PagesDeps, session: HostedSession, visitor: Visitor): Promise<Executed> {
  return challengeFactor(deps, askedOn(session, visitor), subjectOf(session));
}

export async function newTotp(deps: PagesDeps, session: HostedSession, visitor: Visitor): Promise<Executed> {
  return startTotp(deps, askedOn(session, visitor), subjectOf(session), await accountName(deps, session));
}

export async function confirmTotp(
  deps: PagesDeps,
  session: HostedSession,
  visitor: Visitor,
  { id, ...body }: { readonly id: FactorId; readonly code: string; readonly proof?: Proof },
): Promise<Executed> {
  return activateTotp(deps, askedOn(session, visitor), subjectOf(session), id, body);
}

/** Ends the visit. Whether anything was enrolled is told by the factors themselves, so no answer that got lost can make it wrong. */
export async function finishEnrolment(deps: PagesDeps, session: HostedSession, visitor: Visitor): Promise<Executed> {
  const { factorsBefore: before, createdAt } = session;
  const factors = await factorsInUse(deps.store, subjectOf(session));
  const enrolled = factors.some(({ id, created_at }) => (before === null ? created_at >= createdAt : !before.includes(id)));
  return completeSession(deps, session, enrolled ? "enrolled" : "cancelled", visitor);
}

async function accountName(deps: PagesDeps, { organisationId }: HostedSession): Promise<{ user_name?: string }> {
  const { name } = themeOf(await readOrganisation(deps.store, organisationId));
  return name === "" ? {} : { user_name: name };
}
