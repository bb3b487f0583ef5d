import type { Asked, Executed, JobKind } from "#commit/index.ts";
import { cancelJob, refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import type { DryRunId, RuleSetId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { tellFault } from "./check-rules.ts";
import type { RuleRegistry } from "./policy.ts";
import type { RulesDeps } from "./deps.ts";
import type { DryRun } from "./dry-run.ts";
import { dryRuns, presentDryRun } from "./dry-run.ts";
import { compileRules } from "./evaluate.ts";
import { PAYMENT_PARTS } from "./past-payments.ts";
import { emptyRegistry, registries, registryKey } from "./policy.ts";
import { readRuleSet, rulesHash, ruleSets } from "./rule-set.ts";
import { emptyTally } from "./tally.ts";

const DAY_MS = 86_400_000;

/** POST /v1/risk/rule-sets/{id}/dry-runs. Counting is the worker's part. */
export async function startDryRun(deps: RulesDeps, asked: Asked, ruleSetId: RuleSetId, days: number): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const seen = await readRuleSet(deps.store, organisationId, ruleSetId);
  if (seen === undefined) return refuseAtOnce(refuse("not_found"), requestId);
  const compiled = compileRules(deps.language, seen.rules);
  const id = deps.ids.next("dryRun");
  const eventId = deps.ids.next("event");
  const registry = registryKey(organisationId);
  return deps.queue.execute({
    ...asked,
    needs: [
      { collection: registries, key: registry, mode: "write" },
      { collection: ruleSets, key: { hash: ruleSetId }, mode: "read" },
    ],
    decide(view, at) {
      const work = workOn(view);
      const set = work.get(ruleSets, { hash: ruleSetId });
      if (set === undefined) return refused(refuse("not_found"), requestId);
      // It may have been edited between the check above and now. A refusal would be kept under the Idempotency-Key, and never pass.
      const [fault] = (set.version === seen.version ? compiled : compileRules(deps.language, set.rules)).faults;
      if (fault !== undefined) return refused(refuse("rule_set_invalid", undefined, tellFault(fault)), requestId);
      const before = work.get(registries, registry) ?? emptyRegistry(organisationId);
      if (before.dryRunId !== null) return refused(refuse("dry_run_running", undefined, `It is ${before.dryRunId}.`), requestId);
      const run: DryRun = {
        id,
        organisationId,
        ruleSetId,
        ruleSetVersion: set.version,
        rulesHash: rulesHash(set.rules),
        days,
        from: Math.max(0, at - days * DAY_MS),
        to: at,
        status: "running",
        reason: null,
        partition: 0,
        cursor: null,
        seen: 0,
        tally: emptyTally(set.rules),
        worker: null,
        leasedUntil: 0,
        createdAt: at,
        updatedAt: at,
        endedAt: null,
        version: 1,
      };
      work.put(dryRuns, run);
      work.put(registries, { ...before, dryRunId: id, version: before.version + 1 });
      work.tell({
        id: eventId,
        type: "dry_run.started",
        objectId: id,
        details: { rule_set_id: ruleSetId, rule_set_version: set.version, days },
      });
      return work.outcome(replied(202, presentDryRun(run, PAYMENT_PARTS)));
    },
  });
}

const dryRunJobs: JobKind<DryRun, RuleRegistry> = {
  jobs: dryRuns,
  registries,
  registryKey,
  without: (registry, id) => (registry.dryRunId === id ? { ...registry, dryRunId: null, version: registry.version + 1 } : undefined),
  finished: "dry_run_finished",
  canceled: "dry_run.canceled",
  details: ({ tally }) => ({ examined: tally.examined }),
  present: (run) => presentDryRun(run, PAYMENT_PARTS),
};

/** POST /v1/risk/dry-runs/{id}/cancel. What was counted so far stays. */
export function cancelDryRun(deps: RulesDeps, asked: Asked, id: DryRunId): Promise<Executed> {
  return cancelJob(deps.queue, asked, { id, eventId: deps.ids.next("event") }, dryRunJobs);
}
