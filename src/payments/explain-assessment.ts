import { FEATURES } from "#features/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { HoldId, OrganisationId, TransactionId } from "#kernel/ids.ts";
import { isId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import { labelsOf } from "#labels/index.ts";
import { readHold, readTransaction, statusAt } from "#ledger/index.ts";
import type { Assessment, Models, ModelSnapshot, Verdict } from "#risk/index.ts";
import {
  assessmentFromItem,
  decodeFeatures,
  factorNames,
  MODEL,
  namedFeatures,
  ONE,
  presentAssessment,
  weigh,
  weights,
} from "#risk/index.ts";
import type { Store } from "#storage/index.ts";
import type { PaymentDeps } from "./deps.ts";
import { transactionAt } from "./present.ts";
import { presentReview } from "./present-review.ts";
import { readReview, readReviewTerms } from "./read.ts";

/** How many features of a model are named with what they added. */
const MAX_CONTRIBUTIONS = 10;

/** What was judged, and what became of it since. */
interface Judgement {
  readonly object: "transaction" | "hold";
  readonly assessment: JsonObject;
  readonly createdAt: number;
  readonly outcome: JsonObject;
}

/**
 * One decision explained from what was stored with it, and scored once more. Nothing of today's profiles, rules or thresholds enters.
 * @returns `undefined` when there is no such payment or hold of this organisation, or it was never judged
 */
export async function explainAssessment(
  { store, models, clock }: Pick<PaymentDeps, "store" | "models" | "clock">,
  organisationId: OrganisationId,
  id: TransactionId | HoldId,
): Promise<JsonObject | undefined> {
  const judgement = isId("hold", id)
    ? await ofHold(store, organisationId, id, clock.now())
    : await ofTransaction(store, organisationId, id as TransactionId, clock.now());
  if (judgement === undefined) return undefined;
  const assessment = assessmentFromItem(judgement.assessment);
  const { verdict } = assessment;
  const features = verdict === undefined ? undefined : namedFeatures(verdict.featuresVersion, verdict.features);
  const model = await modelOf(models, organisationId, assessment, verdict);
  const vector = verdict === undefined || features === undefined ? undefined : decodeFeatures(verdict.features);
  const replayed = replay(assessment, model, vector);
  return {
    id,
    object: "risk_assessment",
    subject: judgement.object,
    ...presentAssessment(assessment),
    factor_score: weigh(assessment.factors) / ONE,
    factors: factorNames.map((name) => ({
      name,
      value: assessment.factors[name] / ONE,
      weight: weights[name] / ONE,
      contribution: (assessment.factors[name] * weights[name]) / (ONE * ONE),
    })),
    features_version: verdict?.featuresVersion ?? null,
    features:
      features === undefined
        ? null
        : FEATURES.map(({ name, unit, source, description }) => ({ name, value: features[name] ?? 0, unit, source, description })),
    champion: presentChampion(verdict, model, vector),
    shadow: verdict?.shadow === undefined ? null : { model: verdict.shadow.id, score: verdict.shadow.score / ONE },
    rule_set: verdict?.rules === undefined ? null : { id: verdict.rules.ruleSetId, number: verdict.rules.number },
    thresholds: presentThresholds(verdict),
    outcome: judgement.outcome,
    replayed_score: replayed === undefined ? null : replayed / ONE,
    matches: replayed === undefined ? null : replayed === assessment.score,
    created_at: toTimestamp(judgement.createdAt),
  };
}

/** The score again, from what was stored; `undefined` where the model is not kept any longer or reads other features. */
function replay(assessment: Assessment, model: ModelSnapshot | undefined, vector: Float64Array | undefined): number | undefined {
  if (assessment.model === MODEL) return weigh(assessment.factors);
  if (model === undefined || vector === undefined) return undefined;
  return Math.round(Math.min(Math.max(model.score(vector), 0), 1) * ONE);
}

async function modelOf(
  models: Models,
  organisationId: OrganisationId,
  { model }: Assessment,
  verdict: Verdict | undefined,
): Promise<ModelSnapshot | undefined> {
  if (verdict?.champion === undefined) return undefined;
  const { champion } = await models.of(organisationId);
  return champion?.id === model ? champion : models.find(organisationId, model);
}

function presentChampion(verdict: Verdict | undefined, model: ModelSnapshot | undefined, vector: Float64Array | undefined) {
  if (verdict?.champion === undefined) return null;
  const { id, score } = verdict.champion;
  const contributions =
    model === undefined || vector === undefined
      ? null
      : model
          .explain(vector)
          .slice(0, MAX_CONTRIBUTIONS)
          .map(({ feature, contribution }) => ({ feature, contribution }));
  return { model: id, score: score / ONE, contributions };
}

function presentThresholds(verdict: Verdict | undefined): JsonObject | null {
  if (verdict === undefined) return null;
  const { challengeAbove, reviewAbove, blockAbove } = verdict.thresholds;
  return {
    challenge_above: challengeAbove === null ? null : challengeAbove / ONE,
    review_above: reviewAbove / ONE,
    block_above: blockAbove === null ? null : blockAbove / ONE,
  };
}

async function ofHold(store: Store, organisationId: OrganisationId, id: HoldId, at: number): Promise<Judgement | undefined> {
  const hold = await readHold(store, organisationId, id);
  if (hold === undefined) return undefined;
  const outcome = { status: statusAt(hold, at), review: null, label: null };
  return { object: "hold", assessment: hold.assessment, createdAt: hold.createdAt, outcome };
}

async function ofTransaction(store: Store, organisationId: OrganisationId, id: TransactionId, at: number): Promise<Judgement | undefined> {
  const stored = await readTransaction(store, organisationId, id);
  if (stored === undefined || stored.assessment === null) return undefined;
  // What the clock has ended reads as ended, here as everywhere, whether or not it has been written down.
  const { status, reviewId } = transactionAt(stored, at);
  const { assessment, createdAt } = stored;
  const review = reviewId === null ? undefined : await readReview(store, organisationId, reviewId);
  const shown = review === undefined ? undefined : presentReview(review, await readReviewTerms(store, organisationId), at);
  const label = (await labelsOf(store, organisationId, [id])).get(id)?.current;
  const outcome = {
    status,
    review:
      shown === undefined
        ? null
        : {
            id: shown.id,
            status: shown.status,
            reason_code: shown.reason_code,
            decided_at: shown.decided_at,
            decided_by: shown.decided_by,
          },
    label:
      label === undefined
        ? null
        : { label: label.label, source: label.source, decided_at: toTimestamp(label.decidedAt), decided_by: label.decidedBy },
  };
  return { object: "transaction", assessment, createdAt, outcome };
}
