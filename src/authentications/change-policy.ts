import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { AuthenticationDeps } from "./deps.ts";
import type { LowValueMeasure, ScaMode, ScaPolicy } from "./policy.ts";
import { defaultScaPolicy, policyTag, presentPolicy, presentTerms, scaPolicies, scaPolicyKey } from "./policy.ts";

/** The policy as a request has it, all of it: what is left out is off. */
export interface ScaPolicyBody {
  readonly sca: ScaMode;
  readonly low_value?: LowValueMeasure;
  readonly trusted_beneficiaries?: boolean;
  readonly recurring?: boolean;
  readonly own_accounts?: boolean;
  readonly risk_analysis?: boolean;
  readonly fraud_rate_ppm?: number | null;
  readonly device_bound?: boolean;
}

/** PUT /v1/sca/policy. */
export async function changeScaPolicy(
  deps: AuthenticationDeps,
  asked: Asked,
  body: ScaPolicyBody,
  ifVersion: number | undefined,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const eventId = deps.ids.next("event");
  const key = scaPolicyKey(organisationId);
  const executed = await deps.queue.execute({
    ...asked,
    needs: [{ collection: scaPolicies, key, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const before = work.get(scaPolicies, key) ?? defaultScaPolicy(organisationId);
      if (ifVersion !== undefined && ifVersion !== policyTag(before))
        return refused(refuse("version_conflict", undefined, `The current version is ${policyTag(before)}.`), requestId);
      const refusal = check(body);
      if (refusal !== undefined) return refused(refusal, requestId);
      const changed: ScaPolicy = {
        organisationId,
        mode: body.sca,
        lowValue: body.low_value ?? "off",
        trustedBeneficiaries: body.trusted_beneficiaries ?? false,
        recurring: body.recurring ?? false,
        ownAccounts: body.own_accounts ?? false,
        riskAnalysis: body.risk_analysis ?? false,
        fraudRatePpm: body.fraud_rate_ppm ?? null,
        deviceBound: body.device_bound ?? false,
        updatedAt: at,
        version: before.version + 1,
      };
      work.put(scaPolicies, changed);
      const details = { before: presentTerms(before), after: presentTerms(changed) };
      work.tell({ id: eventId, type: "sca_policy.updated", objectId: organisationId, details });
      return work.outcome(replied(200, presentPolicy(changed)));
    },
  });
  deps.policies.forget(organisationId);
  return executed;
}

/** Risk analysis is exempted by the reported fraud rate, so without one there is nothing to exempt by. */
function check({ risk_analysis = false, fraud_rate_ppm = null }: ScaPolicyBody): Refusal | undefined {
  return risk_analysis && fraud_rate_ppm === null
    ? refuse("missing_field", "fraud_rate_ppm", "Risk analysis needs the reported fraud rate.")
    : undefined;
}
