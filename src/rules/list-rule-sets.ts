import type { OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { RulesDeps } from "./deps.ts";
import { readPolicy } from "./policy.ts";
import { RULE_SETS_TABLE, ruleSets, summariseRuleSet } from "./rule-set.ts";

/** The newest first. */
const BY_ORGANISATION = { table: RULE_SETS_TABLE, index: "OrganisationRuleSetsIndex", order: "descending" } as const;
/** Sets read and summed up at once: each may be of 128 KiB, so that a hundred would keep all other requests waiting for long. */
const TOGETHER = 8;

/** A page of an organisation's rule sets without their rules, newest first. Between a few and the next others get their turn. */
export async function listRuleSets(
  { store, clock }: Pick<RulesDeps, "store" | "clock">,
  organisationId: OrganisationId,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string },
): Promise<{ readonly summaries: readonly JsonObject[]; readonly cursor: string | undefined }> {
  const summaries: JsonObject[] = [];
  let next = cursor;
  do {
    if (summaries.length > 0) await clock.sleep(0);
    const part = { limit: Math.min(TOGETHER, limit - summaries.length), ...(next === undefined ? {} : { cursor: next }) };
    const page = await store.query({ ...BY_ORGANISATION, hash: organisationId, ...part });
    for (const item of page.items) summaries.push(summariseRuleSet(ruleSets.fromItem(item)));
    next = page.cursor;
  } while (next !== undefined && summaries.length < limit);
  const { policy } = await readPolicy(store, organisationId);
  return { summaries: summaries.map((one) => (one["id"] === policy.activeRuleSetId ? { ...one, status: "active" } : one)), cursor: next };
}
