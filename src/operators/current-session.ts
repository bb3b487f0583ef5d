import { factorsOf, passkeyRequest } from "#factors/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { OperatorDeps } from "./deps.ts";
import { operators, OPERATORS_TABLE } from "./operator.ts";
import { presentOperator } from "./present-operator.ts";
import { presentSession } from "./present-session.ts";
import { readPolicy } from "./session-policy.ts";
import type { Session } from "./session.ts";
import { subjectOf } from "./sign-in.ts";

/** The session that asks, with its operator and what has to follow. `undefined` when its operator is gone. */
export async function currentSession(deps: OperatorDeps, session: Session): Promise<JsonObject | undefined> {
  const [item, policy, seen] = await Promise.all([
    deps.store.get(OPERATORS_TABLE, { hash: session.operatorId }),
    readPolicy(deps.store, session.organisationId),
    deps.sessions.seen([session.id]),
  ]);
  if (item === undefined) return undefined;
  const operator = operators.fromItem(item);
  const now = deps.clock.now();
  // Whoever asks was let in by the authenticator, so that the session is none of an earlier count.
  const context = { epoch: session.epoch, policy, now, seenAt: seen.get(session.id), current: session.id };
  return {
    ...presentSession(session, context),
    operator: await presentOperator(deps.vault, operator, now),
    second_factor: await secondFactor(deps, session),
  };
}

async function secondFactor(deps: OperatorDeps, session: Session): Promise<JsonObject | null> {
  if (session.status !== "second_factor_required" || session.challenge === null) return null;
  const subject = subjectOf({ organisationId: session.organisationId, id: session.operatorId });
  const factors = await factorsOf(deps, subject);
  const active = new Set(factors.filter(({ status }) => status === "active").map(({ type }) => type));
  const types = (["passkey", "totp", "recovery_code"] as const).filter((type) => active.has(type));
  const options = await passkeyRequest(deps, subject, Buffer.from(session.challenge, "base64url"));
  return { types, public_key: options ?? null };
}
