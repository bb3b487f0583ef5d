import type { Asked, Executed, Need, Outcome, Working } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import type { EventType } from "#audit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { AccountId, HoldId, OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Minor } from "#kernel/money.ts";
import { minorFromWire } from "#kernel/money.ts";
import { refuse } from "#kernel/problems.ts";
import type { Account, Hold } from "#ledger/index.ts";
import { accounts, captureHold, holds, incrementHold, readHold, transactions, voidHold } from "#ledger/index.ts";
import type { RiskContext } from "#risk/index.ts";
import { assessmentFromItem, deviceIdIn, riskDevices, riskProfiles } from "#risk/index.ts";
import { judge, learnt, profileIdOf } from "../decide/judge.ts";
import { recordMovement } from "../decide/movement.ts";
import type { PaymentDeps } from "../deps.ts";
import type { Metadata } from "#vault/index.ts";
import { openMetadata, sealOptional } from "#vault/index.ts";
import { presentHold, presentTransaction } from "../present.ts";
import { declined, judgementOf, keepLearnt } from "./authorise.ts";
import { governanceOf, putAccounts } from "./payment.ts";

/** A refusal over the parties names them as the hold does. */
const PARAMS = { payer: "from_account_id", payee: "to_account_id" };

interface OnHold {
  readonly hold: Hold;
  readonly payer: Account;
  readonly work: Working;
  readonly at: number;
  /** The hold's own metadata, opened. */
  readonly metadata: Metadata;
  readonly tell: (type: EventType, amount: Minor, eventId: Parameters<Working["tell"]>[0]["id"], details?: JsonObject) => void;
}

/** Runs a decision over a hold and its payer's account (and further accounts of the hold, where named). */
async function onHold(
  deps: PaymentDeps,
  asked: Asked,
  id: HoldId,
  also: {
    readonly payee: boolean;
    readonly privateReply: boolean;
    /** What the decision needs beside the hold and its accounts. */
    readonly needs?: (found: Hold) => Promise<readonly Need[]>;
  },
  decide: (on: OnHold) => Outcome,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  // Read first because it tells the accounts, which never change; everything else is judged on what the commit loads.
  const found = await readHold(deps.store, organisationId, id);
  const metadata = found === undefined ? {} : await openMetadata(deps.vault, organisationId, "smartfinance-holds", id, found.metadata);
  const involved: AccountId[] = found === undefined ? [] : also.payee ? [found.fromAccountId, found.toAccountId] : [found.fromAccountId];
  const needs: Need[] = involved.map((hash) => ({ collection: accounts, key: { hash }, mode: "write" }));
  if (found !== undefined) needs.push({ collection: holds, key: { hash: id }, mode: "write" }, ...((await also.needs?.(found)) ?? []));
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    // Answers show the metadata of the hold, or of the capture.
    privateReply: also.privateReply || (found !== undefined && found.metadata !== null),
    needs,
    decide(view, at) {
      if (found === undefined) return refused(refuse("not_found"), requestId);
      const work = workOn(view);
      const hold = work.get(holds, { hash: id });
      const payer = work.get(accounts, { hash: found.fromAccountId });
      invariant(hold && payer, "a stored hold has its account");
      const tell: OnHold["tell"] = (type, amount, eventId, details) => {
        work.tell({ id: eventId, type, objectId: id, userId: payer.userId ?? undefined, amount, currency: hold.currency, details });
      };
      return decide({ hold, payer, work, at, metadata, tell });
    },
  });
}

export interface IncrementBody {
  readonly amount: number;
  readonly context?: RiskContext;
}

/**
 * POST /v1/holds/{id}/increment. What was judged was the amount of the hold, and a capture is not judged again: so what is added is judged,
 * and learnt, as one payment more, by rules that are asked about the whole amount it becomes. What is not simply allowed is declined.
 */
export async function increment(deps: PaymentDeps, asked: Asked, id: HoldId, body: IncrementBody): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  const amount = minorFromWire(body.amount);
  const { context = {} } = body;
  const deviceId = deviceIdIn(organisationId, context);
  const governance = await governanceOf(deps, organisationId);
  const needs = (found: Hold): Promise<readonly Need[]> => judgingNeeds(deps, organisationId, found, deviceId);
  return onHold(deps, asked, id, { payee: true, privateReply: false, needs }, ({ hold, payer, work, at, metadata, tell }) => {
    const payee = work.get(accounts, { hash: hold.toAccountId });
    invariant(payee, "a stored hold has its payee");
    const decision = incrementHold({ hold, payer, payee, amount }, at, PARAMS);
    if (!decision.ok) return refused(decision, requestId);
    // What the payer approved was the amount of the hold; more than that is another hold.
    if ((governance.sca.mode === "psd2" && payer.userId !== null) || wasChallenged(hold))
      return refused(refuse("authentication_required"), requestId);
    const { amount: whole } = decision.hold;
    const judgeable = { organisationId, type: "hold" as const, amount, whole, currency: hold.currency, context, deviceId };
    const over = {
      payer,
      payee,
      profile: work.get(riskProfiles, { hash: profileIdOf(payer) }),
      device: deviceId === undefined ? undefined : work.get(riskDevices, { hash: deviceId }),
    };
    const judged = judge(judgeable, over, governance, at);
    if (judged.action !== "allow") {
      keepLearnt(work, learnt(judged, judgeable, over, "blocked"));
      work.tell(declined(judged, { id, eventId, payer, amount }));
      return work.outcome(refused(refuse("risk_declined"), requestId).reply);
    }
    const after = learnt(judged, judgeable, over, "posted");
    keepLearnt(work, after);
    // The payee is put, as with the creation: so that it may be paid still holds when this is committed.
    putAccounts(work, decision.payer, { ...payee, incoming: after.incoming, version: payee.version + 1 });
    work.put(holds, decision.hold);
    // The hold keeps the assessment that it was authorised by.
    tell("hold.incremented", amount, eventId, judgementOf(judged));
    return work.outcome(replied(200, presentHold(decision.hold, metadata, at)));
  });
}

/** What a hold is judged by, beside its accounts. */
async function judgingNeeds(
  { facts }: Pick<PaymentDeps, "facts">,
  organisationId: OrganisationId,
  { fromAccountId }: Hold,
  deviceId: string | undefined,
): Promise<readonly Need[]> {
  const payer = await facts.of(organisationId, fromAccountId);
  invariant(payer, "a stored hold has its account");
  const needs: Need[] = [{ collection: riskProfiles, key: { hash: payer.profileId }, mode: "write" }];
  if (deviceId !== undefined) needs.push({ collection: riskDevices, key: { hash: deviceId }, mode: "write" });
  return needs;
}

/** Whether risk asked for the payer when the hold was made: then it is there only because its payer approved it. */
function wasChallenged({ assessment }: Hold): boolean {
  return assessmentFromItem(assessment).verdict?.action === "challenge";
}

/** POST /v1/holds/{id}/void. */
export function voidRemaining(deps: PaymentDeps, asked: Asked, id: HoldId): Promise<Executed> {
  const eventId = deps.ids.next("event");
  return onHold(deps, asked, id, { payee: false, privateReply: false }, ({ hold, payer, work, at, metadata, tell }) => {
    const decision = voidHold(hold, payer, at);
    if (!decision.ok) return refused(decision, asked.actor.requestId);
    putAccounts(work, decision.payer);
    work.put(holds, decision.hold);
    tell("hold.voided", (hold.amount - hold.capturedAmount) as Minor, eventId);
    return work.outcome(replied(200, presentHold(decision.hold, metadata, at)));
  });
}

export interface CaptureBody {
  /** Minor units; all that remains of the hold when absent. */
  readonly amount?: number;
  readonly final?: boolean;
  readonly reference?: string;
  readonly metadata?: Metadata;
}

/** POST /v1/holds/{id}/capture: posts the hold, or a part of it, to its payee; answers the transaction. */
export async function capture(deps: PaymentDeps, asked: Asked, id: HoldId, body: CaptureBody): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const transactionId = deps.ids.next("transaction");
  const eventId = deps.ids.next("event");
  const holdEventId = deps.ids.next("event");
  const metadata = await sealOptional(deps.vault, organisationId, "smartfinance-transactions", transactionId, body.metadata);
  const part = body.amount === undefined ? undefined : minorFromWire(body.amount);
  return onHold(deps, asked, id, { payee: true, privateReply: body.metadata !== undefined }, ({ hold, payer, work, at, tell }) => {
    const payee = work.get(accounts, { hash: hold.toAccountId });
    invariant(payee, "a stored hold has its payee");
    const decision = captureHold({ transactionId, hold, payer, payee, amount: part, final: body.final ?? false }, at, PARAMS);
    if (!decision.ok) return refused(decision, requestId);
    const { amount } = decision;
    const { transaction, event } = recordMovement(
      {
        organisationId,
        transactionId,
        eventId,
        type: "capture",
        amount,
        reference: body.reference ?? hold.reference,
        metadata,
        assessment: hold.assessment,
        holdId: id,
        reverses: null,
      },
      decision.posted,
      payer,
      at,
    );
    putAccounts(work, decision.posted.payer, decision.posted.payee);
    work.put(holds, decision.hold);
    work.put(transactions, transaction);
    work.tell(event);
    tell("hold.captured", amount, holdEventId);
    return work.outcome(replied(201, presentTransaction(transaction, body.metadata ?? {})));
  });
}
