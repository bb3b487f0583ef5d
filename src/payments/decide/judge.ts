import type { FeatureState, Seen } from "#features/index.ts";
import {
  decodePayee,
  encodePayee,
  FEATURES,
  FEATURES_HASH,
  FEATURES_VERSION,
  observe,
  readPayment,
  referenceCents,
  vector,
} from "#features/index.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Currency, Minor } from "#kernel/money.ts";
import type { Account } from "#ledger/index.ts";
import { availableAt } from "#ledger/index.ts";
import type {
  AssessInput,
  ModelScore,
  ModelsInForce,
  ModelSnapshot,
  ReasonCode,
  RiskAction,
  RiskContext,
  RiskDevice,
  RiskProfile,
  Scored,
} from "#risk/index.ts";
import { assessmentToItem, encodeFeatures, learn, MODEL, ONE, quantise, referenceUnit, scoreFactors } from "#risk/index.ts";
import type { Evaluation, Facts, FactValue, PolicySnapshot } from "#rules/index.ts";
import { decideAction, pairOf } from "#rules/index.ts";

/** What an organisation has in force when a payment is judged. */
export interface Governance {
  readonly policy: PolicySnapshot;
  readonly models: ModelsInForce;
}

/** A payment, or a hold, as it is judged. */
export interface Judgeable {
  readonly organisationId: OrganisationId;
  readonly type: "transfer" | "withdrawal" | "hold";
  readonly amount: Minor;
  /** Where the amount is added to one that was judged before (a hold is raised): what they come to, which is the amount that rules ask for. */
  readonly whole?: Minor;
  readonly currency: Currency;
  readonly context: RiskContext;
  /** Where the context's device is kept; `undefined` when it names none. */
  readonly deviceId: string | undefined;
}

export interface JudgedOver {
  readonly payer: Account;
  readonly payee: Account;
  /** `undefined` before the first payment. */
  readonly profile: RiskProfile | undefined;
  readonly device: RiskDevice | undefined;
}

/** What is to be remembered of a judged payment, in the same commit. */
export interface Learnt {
  readonly profile: RiskProfile;
  /** For the payee's account. */
  readonly incoming: string | null;
  /** Only where something is new to write. */
  readonly device: RiskDevice | undefined;
}

/** A judged payment, before anything of it is learnt. */
export interface Judged {
  readonly action: RiskAction;
  /** In ten-thousandths. */
  readonly score: number;
  /** The stored form. */
  readonly assessment: JsonObject;
  readonly scored: Scored;
  readonly input: AssessInput;
  readonly seen: Seen;
  readonly state: FeatureState;
}

/** Whose behaviour is judged: the customer, or the account itself when it has none. */
export function profileIdOf(payer: Pick<Account, "id" | "userId">): string {
  return payer.userId ?? payer.id;
}

/**
 * Judges a payment: features, the five factors, the model in force where there is one, the organisation's rules, its thresholds. Pure
 * and synchronous: same payment, state, policy, models and time, same outcome. The features are rounded as they are stored before
 * anything is scored, so that the stored vector gives the stored score again.
 * @param at milliseconds
 */
export function judge(asked: Judgeable, over: JudgedOver, { policy, models }: Governance, at: number): Judged {
  const { amount, currency, context } = asked;
  const { payer, payee } = over;
  const state: FeatureState = {
    payer: over.profile?.features,
    payee: payee.incoming === null ? undefined : decodePayee(payee.incoming),
    device: over.device?.features,
  };
  const input: AssessInput = {
    profile: over.profile,
    ownerId: profileIdOf(payer),
    amount,
    currency,
    payeeAccountId: payee.id,
    context,
    at,
  };
  const seen = seenIn(input, payer);
  const features = quantise(vector(state, seen));
  const scored = scoreFactors(input);
  const byFactors = scored.assessment;
  const champion = scoreBy(models.champion, features);
  const shadow = scoreBy(models.shadow, features);
  const score = champion?.score ?? byFactors.score;

  const byRules = policy.evaluate(factsFor(policy.rules.variables, { asked, over, features, scored, score, champion }));
  const action = decideAction(score, policy.thresholds, byRules.action);
  const verdict = {
    action,
    device: scored.evidence.device,
    featuresVersion: FEATURES_VERSION,
    features: encodeFeatures(features),
    champion,
    shadow,
    rules: policy.ruleSetId === null ? undefined : { ruleSetId: policy.ruleSetId, number: policy.ruleSetNumber ?? 0, hits: byRules.hits },
    thresholds: policy.thresholds,
  };
  const assessment = assessmentToItem({
    model: champion?.id ?? MODEL,
    score,
    factors: byFactors.factors,
    reasons: action === "allow" ? byFactors.reasons : [...reasonsOf(action, score, policy, byRules, champion), ...byFactors.reasons],
    velocity_count: byFactors.velocity_count,
    verdict,
  });
  return { action, score, assessment, scored, input, seen, state };
}

/**
 * What is remembered of a judged payment once it is known what becomes of it. One that is held counts for velocity and vouches for
 * nothing; a blocked one leaves also the payee's account as it was, because nothing was ever on its way there.
 */
export function learnt({ scored, input, seen, state }: Judged, asked: Judgeable, over: JudgedOver, outcome: PaymentOutcome): Learnt {
  const held = outcome === "posted" ? "posted" : "held";
  const after = observe(state, seen, held);
  const known = asked.deviceId !== undefined && after.device !== state.device ? after.device : undefined;
  return {
    profile: learn(scored, input, held, after.payer),
    incoming: outcome === "blocked" || after.payee === undefined ? over.payee.incoming : encodePayee(after.payee),
    device:
      known === undefined || asked.deviceId === undefined
        ? undefined
        : { id: asked.deviceId, organisationId: asked.organisationId, features: known, version: (over.device?.version ?? 0) + 1 },
  };
}

/** What became of a payment: the money moved, its funds wait for a review, or nothing happened. */
export type PaymentOutcome = "posted" | "held" | "blocked";

function seenIn({ ownerId, amount, currency, payeeAccountId, context, at }: AssessInput, payer: Account): Seen {
  const unit = referenceUnit(currency);
  return readPayment({
    payer: ownerId,
    payee: payeeAccountId,
    amount: referenceCents(amount, unit),
    at,
    device: context.device_id,
    ip: context.ip,
    latitude: context.latitude,
    longitude: context.longitude,
    country: context.country,
    openedAt: payer.createdAt,
    available: referenceCents(availableAt(payer, at), unit),
  });
}

/** A model of other features, or one that gives no number, does not score: the factors do. */
function scoreBy(model: ModelSnapshot | undefined, features: Float64Array): ModelScore | undefined {
  if (model === undefined || model.featuresHash !== FEATURES_HASH) return undefined;
  const probability = model.score(features);
  if (!Number.isFinite(probability)) return undefined;
  return { id: model.id, score: Math.round(Math.min(Math.max(probability, 0), 1) * ONE) };
}

/** Why a payment does not simply post, beside what the factors say. */
function reasonsOf(
  action: RiskAction,
  score: number,
  { thresholds }: PolicySnapshot,
  byRules: Evaluation,
  champion: ModelScore | undefined,
): readonly ReasonCode[] {
  const reasons: ReasonCode[] = [];
  if (action === "challenge") reasons.push("challenge_required");
  if (byRules.action === action) reasons.push("rule_matched");
  if (champion !== undefined && decideAction(score, thresholds, undefined) === action) reasons.push("model_score_high");
  return reasons;
}

const featureIndex: ReadonlyMap<string, number> = new Map(FEATURES.map(({ name }, index) => [name, index]));

interface FactSources {
  readonly asked: Judgeable;
  readonly over: JudgedOver;
  readonly features: Float64Array;
  readonly scored: Scored;
  readonly score: number;
  readonly champion: ModelScore | undefined;
}

/** The facts that rules read, and no others: most rule sets read a handful out of more than a hundred. */
function factsFor(names: readonly string[], from: FactSources): Facts {
  const facts: Record<string, FactValue> = {};
  for (const name of names) facts[name] = factOf(name, from);
  return facts;
}

function factOf(name: string, { asked, over, features, scored, score, champion }: FactSources): FactValue {
  const { context } = asked;
  const { factors } = scored.assessment;
  switch (name) {
    case "amount":
      return asked.whole ?? asked.amount;
    case "currency":
      return asked.currency;
    case "payment_type":
      return asked.type;
    case "payer_account_id":
      return over.payer.id;
    case "payer_user_id":
      return over.payer.userId;
    case "payee_account_id":
      return over.payee.id;
    case "pair":
      return pairOf(over.payer.id, over.payee.id);
    case "score":
      return score / ONE;
    case "model_score":
      return champion === undefined ? undefined : champion.score / ONE;
    case "factors.velocity":
      return factors.velocity / ONE;
    case "factors.amount":
      return factors.amount / ONE;
    case "factors.location":
      return factors.location / ONE;
    case "factors.device":
      return factors.device / ONE;
    case "factors.behaviour":
      return factors.behaviour / ONE;
    case "context.device_id":
      return context.device_id;
    case "context.ip":
      return context.ip;
    case "context.country":
      return context.country;
    case "context.user_agent":
      return context.user_agent;
    case "context.latitude":
      return context.latitude;
    case "context.longitude":
      return context.longitude;
    default: {
      const index = featureIndex.get(name);
      return index === undefined ? undefined : features[index];
    }
  }
}
