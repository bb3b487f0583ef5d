import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied } from "#commit/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { FactorId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { digitsTyped } from "./code-hash.ts";
import type { FactorDeps } from "./deps.ts";
import type { Subject } from "./factor.ts";
import type { TotpFactor } from "./factor-set.ts";
import { changedSet, factorSets, readSet, withFactor } from "./factor-set.ts";
import { factorSecrets, readSecrets, sealSecret, subjectKey } from "./factor-secret.ts";
import { fullOf, PENDING_LIFE_MS } from "./limits.ts";
import { answered, currentSet, decideOnSet } from "./on-set.ts";
import { dropExpired, expiredIn, secretNeeds } from "./pending.ts";
import { isAlive, presentFactor } from "./present-factor.ts";
import type { Proof } from "./proof.ts";
import { checkProof, demandProof } from "./proof.ts";
import { matchingStep, mintTotpSecret, totpUri } from "./totp.ts";
import { factorEvent } from "./use-factor.ts";

export interface StartTotpBody {
  /** What the app shows beside the issuer; the subject's id where absent. It is not stored. */
  readonly user_name?: string;
}

export interface ActivateBody {
  readonly code: string;
  readonly proof?: Proof;
}

/** Makes the secret of a new TOTP, which is shown this once. It proves nothing before `activateTotp`. */
export async function startTotp(deps: FactorDeps, asked: Asked, subject: Subject, body: StartTotpBody): Promise<Executed> {
  const { requestId } = asked.actor;
  const id = deps.ids.next("factor");
  const eventId = deps.ids.next("event");
  const secret = mintTotpSecret(deps.random);
  const sealed = sealSecret(deps.vault, await subjectKey(deps.vault, subject), id, secret);
  const expired = expiredIn(await readSet(deps.store, subject), deps.clock.now());
  const executed = await decideOnSet(deps, asked, subject, secretNeeds(expired), (work, stored, at) => {
    const set = dropExpired(work, stored, expired, at);
    const most = fullOf(set, "totp", at);
    if (most !== undefined) return refused(refuse("limit_reached", undefined, `The most of these are ${most}.`), requestId);
    const expires_at = at + PENDING_LIFE_MS;
    const own = { created_at: at, last_used_at: null, last_step: -1, expires_at };
    const factor: TotpFactor = { id, type: "totp", status: "pending", ...own };
    work.put(factorSets, changedSet(set, { factors: [...set.factors, factor] }, at));
    work.put(factorSecrets, { id, organisationId: subject.organisationId, secret: sealed, version: 1 });
    work.tell(factorEvent(eventId, "factor.enrolment_started", subject, id, { type: "totp" }));
    return work.outcome(replied(201, { ...presentFactor(factor, undefined), expires_at: toTimestamp(expires_at) }));
  });
  if (!executed.ok || executed.reply.status >= 300) return executed;
  const uri = totpUri(secret, deps.relyingParty.name, body.user_name ?? subject.id);
  return { ...executed, reply: replied(201, { ...(JSON.parse(executed.reply.body) as object), secret, uri }) };
}

/** Puts a TOTP into use with a code of it; that code's time step is spent. */
export async function activateTotp(deps: FactorDeps, asked: Asked, subject: Subject, id: FactorId, body: ActivateBody): Promise<Executed> {
  const { requestId } = asked.actor;
  const set = await readSet(deps.store, subject);
  if (set?.factors.find((factor) => factor.id === id)?.type !== "totp") return answered(refuse("not_found"), asked);
  const secret = (await readSecrets(deps, subject.organisationId, [id])).get(id);
  const step = secret === undefined ? undefined : matchingStep(secret, digitsTyped(body.code), deps.clock.now());
  const proof = body.proof === undefined ? undefined : await checkProof(deps, subject, body.proof);
  const eventId = deps.ids.next("event");
  return decideOnSet(deps, asked, subject, [], (work, stored, at) => {
    const factor = stored.factors.find((one) => one.id === id);
    if (factor?.type !== "totp") return refused(refuse("not_found"), requestId);
    if (factor.status !== "pending" || !isAlive(factor, at)) return refused(refuse("factor_not_pending"), requestId);
    if (step === undefined) return refused(refuse("factor_code_wrong", "code"), requestId);
    const unproved = demandProof(work, stored, proof, at);
    if (unproved !== undefined) return unproved;
    const active: TotpFactor = { ...factor, status: "active", last_step: step, expires_at: null };
    const now = currentSet(work, stored);
    work.put(factorSets, changedSet(now, { factors: withFactor(now, active) }, at));
    work.tell(factorEvent(eventId, "factor.added", subject, id, { type: "totp" }));
    return work.outcome(replied(200, presentFactor(active, undefined)));
  });
}
