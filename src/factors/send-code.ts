import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied } from "#commit/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { FactorId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { codeHash, digitsTyped } from "./code-hash.ts";
import type { Channel } from "./code-sender.ts";
import type { FactorDeps } from "./deps.ts";
import type { SentCodeType, Subject } from "./factor.ts";
import type { SentCodeFactor, StoredFactor } from "./factor-set.ts";
import { changedSet, factorSets, readSet, withFactor } from "./factor-set.ts";
import { factorSecrets, readSecrets, sealSecret, subjectKey } from "./factor-secret.ts";
import { fullOf, PENDING_LIFE_MS } from "./limits.ts";
import { isBlocked } from "./lock.ts";
import { answered, currentSet, decideOnSet } from "./on-set.ts";
import { dropExpired, expiredIn, secretNeeds } from "./pending.ts";
import { isAlive, presentFactor } from "./present-factor.ts";
import type { ActivateBody } from "./add-totp.ts";
import { checkProof, demandProof } from "./proof.ts";
import { afterSending, afterWrongCode, CODE_LIFE_MS, mintCode, nextCodeAt, withCodeSent } from "./sent-code.ts";
import { equalTexts } from "./code-hash.ts";
import { blockedRefusal, factorEvent } from "./use-factor.ts";

export interface StartCodeBody {
  readonly type: SentCodeType;
  /** An e-mail address, or a number in E.164. */
  readonly destination: string;
}

const channelOf = (type: SentCodeType): Channel => (type === "email_code" ? "email" : "sms");

const isSent = (factor: StoredFactor | undefined): factor is SentCodeFactor =>
  factor !== undefined && (factor.type === "email_code" || factor.type === "sms_code");

/** Begins a factor whose codes are sent to an address, and sends the first code, which `activateCodeFactor` wants. */
export async function startCodeFactor(deps: FactorDeps, asked: Asked, subject: Subject, body: StartCodeBody): Promise<Executed> {
  const { requestId } = asked.actor;
  const { type, destination } = body;
  const wanted = type === "email_code" ? /^[^\s@]+@[^\s@]+$/ : /^\+[1-9]\d{6,14}$/;
  if (!wanted.test(destination))
    return answered(refuse("invalid_request", "destination", "This is no address of the kind that the type needs."), asked);
  const id = deps.ids.next("factor");
  const eventId = deps.ids.next("event");
  const sealed = sealSecret(deps.vault, await subjectKey(deps.vault, subject), id, destination);
  const code = mintCode(deps.random);
  const hash = await codeHash(deps.vault, subject, id, code);
  const expired = expiredIn(await readSet(deps.store, subject), deps.clock.now());
  const executed = await decideOnSet(deps, asked, subject, secretNeeds(expired), (work, stored, at) => {
    const set = dropExpired(work, stored, expired, at);
    if (isBlocked(set.lock, at)) return blockedRefusal(set);
    const most = fullOf(set, type, at);
    if (most !== undefined) return refused(refuse("limit_reached", undefined, `The most of these are ${most}.`), requestId);
    const next = nextCodeAt(set, undefined, at);
    if (next > at) return refused(refuse("code_sent_lately", undefined, `The next one from ${toTimestamp(next)} on.`), requestId);
    const fresh = { sent: null, sent_at: [], expires_at: at + PENDING_LIFE_MS };
    const factor = afterSending({ id, type, status: "pending", created_at: at, last_used_at: null, ...fresh }, hash, at);
    work.put(factorSets, changedSet(set, { factors: [...set.factors, factor], codesSentAt: withCodeSent(set, at) }, at));
    work.put(factorSecrets, { id, organisationId: subject.organisationId, secret: sealed, version: 1 });
    work.tell(factorEvent(eventId, "factor.enrolment_started", subject, id, { type }));
    return work.outcome(replied(201, { ...presentFactor(factor, destination), expires_at: toTimestamp(at + PENDING_LIFE_MS) }));
  });
  return sending(deps, asked, executed, { subject, channel: channelOf(type), to: destination, code });
}

/** Sends a new code to the address of a factor, active or pending; the code before is void. */
export async function sendCode(deps: FactorDeps, asked: Asked, subject: Subject, id: FactorId): Promise<Executed> {
  const { requestId } = asked.actor;
  const found = (await readSet(deps.store, subject))?.factors.find((factor) => factor.id === id);
  const to = isSent(found) ? (await readSecrets(deps, subject.organisationId, [id])).get(id) : undefined;
  if (!isSent(found) || to === undefined) return answered(refuse("not_found"), asked);
  const eventId = deps.ids.next("event");
  const code = mintCode(deps.random);
  const hash = await codeHash(deps.vault, subject, id, code);
  const executed = await decideOnSet(deps, asked, subject, [], (work, set, at) => {
    const factor = set.factors.find((one) => one.id === id);
    if (!isSent(factor) || !isAlive(factor, at)) return refused(refuse("not_found"), requestId);
    if (isBlocked(set.lock, at)) return blockedRefusal(set);
    const next = nextCodeAt(set, factor, at);
    if (next > at) return refused(refuse("code_sent_lately", undefined, `The next one from ${toTimestamp(next)} on.`), requestId);
    const factors = withFactor(set, afterSending(factor, hash, at));
    work.put(factorSets, changedSet(set, { factors, codesSentAt: withCodeSent(set, at) }, at));
    work.tell(factorEvent(eventId, "factor.code_sent", subject, id, { type: factor.type }));
    const shown = { object: "sent_code", factor_id: id, type: factor.type, expires_at: toTimestamp(at + CODE_LIFE_MS) };
    return work.outcome(replied(202, shown));
  });
  return sending(deps, asked, executed, { subject, channel: channelOf(found.type), to, code });
}

/** Puts a factor with sent codes into use, with the code that came. */
export async function activateCodeFactor(
  deps: FactorDeps,
  asked: Asked,
  subject: Subject,
  id: FactorId,
  body: ActivateBody,
): Promise<Executed> {
  const { requestId } = asked.actor;
  const found = (await readSet(deps.store, subject))?.factors.find((factor) => factor.id === id);
  if (!isSent(found)) return answered(refuse("not_found"), asked);
  const address = (await readSecrets(deps, subject.organisationId, [id])).get(id);
  const hash = await codeHash(deps.vault, subject, id, digitsTyped(body.code));
  const proof = body.proof === undefined ? undefined : await checkProof(deps, subject, body.proof);
  const eventId = deps.ids.next("event");
  return decideOnSet(deps, asked, subject, [], (work, set, at) => {
    const factor = set.factors.find((one) => one.id === id);
    if (!isSent(factor)) return refused(refuse("not_found"), requestId);
    if (factor.status !== "pending" || !isAlive(factor, at)) return refused(refuse("factor_not_pending"), requestId);
    const { sent, type } = factor;
    if (sent === null || sent.expires_at <= at || !equalTexts(sent.hash, hash)) {
      // The tries are counted, so that nobody makes an address his own by guessing.
      work.put(factorSets, changedSet(set, { factors: withFactor(set, afterWrongCode(factor)) }, at));
      work.tell(factorEvent(eventId, "factor.refused", subject, id, { type, reason: "not_activated" }));
      return refuse("factor_code_wrong", "code");
    }
    const unproved = demandProof(work, set, proof, at);
    if (unproved !== undefined) return unproved;
    const active: SentCodeFactor = { ...factor, status: "active", sent: null, expires_at: null };
    const now = currentSet(work, set);
    work.put(factorSets, changedSet(now, { factors: withFactor(now, active) }, at));
    work.tell(factorEvent(eventId, "factor.added", subject, id, { type }));
    return work.outcome(replied(200, presentFactor(active, address)));
  });
}

/** Hands the code to its transport once it is durable that it may be typed. */
async function sending(
  deps: FactorDeps,
  asked: Asked,
  executed: Executed,
  message: { readonly subject: Subject; readonly channel: Channel; readonly to: string; readonly code: string },
): Promise<Executed> {
  if (!executed.ok || executed.reply.status >= 300) return executed;
  try {
    await deps.codeSender.sendCode({ ...message, expiresAt: deps.clock.now() + CODE_LIFE_MS });
    return executed;
  } catch (error) {
    deps.onError?.(error, "a code was not sent");
    return answered(refuse("code_not_sent"), asked);
  }
}
