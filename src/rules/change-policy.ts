import type { Asked, Executed } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { RulesDeps } from "./deps.ts";
import { defaultPolicy, policies, policyKey, policyTag, presentPolicy, presentThresholds } from "./policy.ts";
import type { Thresholds } from "./thresholds.ts";
import { ONE } from "./thresholds.ts";

/** The thresholds as a request has them, from 0 to 1; what is null or left out is off. */
export interface PolicyBody {
  readonly challenge_above?: number | null | undefined;
  readonly review_above: number;
  readonly block_above?: number | null | undefined;
}

/** PUT /v1/risk/policy: the thresholds, all of them. */
export async function changePolicy(deps: RulesDeps, asked: Asked, body: PolicyBody, ifVersion: number | undefined): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const read = readThresholds(body);
  if (!read.ok) return refuseAtOnce(read, requestId);
  const { thresholds } = read;
  const eventId = deps.ids.next("event");
  const key = policyKey(organisationId);
  const executed = await deps.queue.execute({
    ...asked,
    needs: [{ collection: policies, key, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const before = work.get(policies, key) ?? defaultPolicy(organisationId);
      if (ifVersion !== undefined && ifVersion !== policyTag(before))
        return refused(refuse("version_conflict", undefined, `The current version is ${policyTag(before)}.`), requestId);
      const changed = { ...before, thresholds, updatedAt: at, version: before.version + 1 };
      work.put(policies, changed);
      const details = { before: presentThresholds(before.thresholds), after: presentThresholds(thresholds) };
      work.tell({ id: eventId, type: "risk_policy.updated", objectId: organisationId, details });
      return work.outcome(replied(200, presentPolicy(changed)));
    },
  });
  deps.forget(organisationId);
  return executed;
}

/** Checks what a schema cannot: four decimals, and that no stronger action begins below a weaker one. */
export function readThresholds(body: PolicyBody): { readonly ok: true; readonly thresholds: Thresholds } | Refusal {
  const { challenge_above: challenge = null, review_above: review, block_above: block = null } = body;
  for (const [name, value] of [
    ["challenge_above", challenge],
    ["review_above", review],
    ["block_above", block],
  ] as const)
    if (value !== null && Math.abs(value * ONE - Math.round(value * ONE)) > 1e-6)
      return refuse("invalid_request", name, `"${name}" has at most four decimals.`);
  if (challenge !== null && challenge > review)
    return refuse("invalid_request", "challenge_above", '"challenge_above" is at most "review_above".');
  if (block !== null && block < review) return refuse("invalid_request", "block_above", '"block_above" is at least "review_above".');
  const scaled = (value: number | null): number | null => (value === null ? null : Math.round(value * ONE));
  return { ok: true, thresholds: { challengeAbove: scaled(challenge), reviewAbove: Math.round(review * ONE), blockAbove: scaled(block) } };
}
