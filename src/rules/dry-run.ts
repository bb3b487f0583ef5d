import { invariant } from "#kernel/assert.ts";
import { toTimestamp } from "#kernel/clock.ts";
import { isId } from "#kernel/ids.ts";
import type { DryRunId, OrganisationId, RuleSetId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Store, Versioned } from "#storage/index.ts";
import type { Tally } from "./tally.ts";

export const DRY_RUNS_TABLE = "smartfinance-risk-dry-runs";
/** The hash value under which dry runs under way are found after a restart. */
export const RUNNING = "running";
export const MAX_DAYS = 30;
/** Payments one dry run looks at, those of each partition the newest first. */
export const MAX_PAYMENTS = 50_000;

export const dryRunStatuses = ["running", "completed", "failed", "canceled"] as const;
export type DryRunStatus = (typeof dryRunStatuses)[number];

/** Rules tried on past payments, of which nothing comes but figures. */
export interface DryRun extends Versioned {
  readonly id: DryRunId;
  readonly organisationId: OrganisationId;
  readonly ruleSetId: RuleSetId;
  /** The version of the rule set it speaks of: a draft may change meanwhile, which ends the run. */
  readonly ruleSetVersion: number;
  /** By what the rules are known again once they are in force; absent in records of before it was kept. */
  readonly rulesHash?: string;
  readonly days: number;
  /** Payments created from here (inclusive) to here (exclusive), ms. */
  readonly from: number;
  readonly to: number;
  readonly status: DryRunStatus;
  /** Why it failed. */
  readonly reason: string | null;
  /** Which partition is being read, from 0, and how far. */
  readonly partition: number;
  readonly cursor: string | null;
  /** Payments seen of this partition. */
  readonly seen: number;
  readonly tally: Tally;
  /** Who works on it, and until when nobody else should: spares work; correctness rests on conditional writes. */
  readonly worker: string | null;
  readonly leasedUntil: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly endedAt: number | null;
}

interface StoredDryRun {
  readonly id: DryRunId;
  readonly organisation_id: OrganisationId;
  readonly rule_set_id: RuleSetId;
  readonly rule_set_version: number;
  readonly rules_sha256?: string;
  readonly days: number;
  readonly from: number;
  readonly to: number;
  readonly status: DryRunStatus;
  readonly reason: string | null;
  readonly partition: number;
  readonly cursor: string | null;
  readonly seen: number;
  readonly tally: Tally;
  readonly worker: string | null;
  readonly leased_until: number;
  readonly created_at: number;
  readonly updated_at: number;
  readonly ended_at: number | null;
  readonly version: number;
}

export const dryRuns: Collection<DryRun> = {
  table: DRY_RUNS_TABLE,
  keyOf: ({ id }) => ({ hash: id }),
  toItem: (run) => ({
    id: run.id,
    organisation_id: run.organisationId,
    ...(run.status === "running" ? { running: RUNNING } : {}),
    rule_set_id: run.ruleSetId,
    rule_set_version: run.ruleSetVersion,
    ...(run.rulesHash === undefined ? {} : { rules_sha256: run.rulesHash }),
    days: run.days,
    from: run.from,
    to: run.to,
    status: run.status,
    reason: run.reason,
    partition: run.partition,
    cursor: run.cursor,
    seen: run.seen,
    tally: run.tally as unknown as JsonObject,
    worker: run.worker,
    leased_until: run.leasedUntil,
    created_at: run.createdAt,
    updated_at: run.updatedAt,
    ended_at: run.endedAt,
    version: run.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredDryRun;
    invariant(isId("dryRun", stored.id) && typeof stored.tally === "object", "a stored dry run is malformed");
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      ruleSetId: stored.rule_set_id,
      ruleSetVersion: stored.rule_set_version,
      ...(stored.rules_sha256 === undefined ? {} : { rulesHash: stored.rules_sha256 }),
      days: stored.days,
      from: stored.from,
      to: stored.to,
      status: stored.status,
      reason: stored.reason,
      partition: stored.partition,
      cursor: stored.cursor,
      seen: stored.seen,
      tally: stored.tally,
      worker: stored.worker,
      leasedUntil: stored.leased_until,
      createdAt: stored.created_at,
      updatedAt: stored.updated_at,
      endedAt: stored.ended_at,
      version: stored.version,
    };
  },
};

/** A dry run of this organisation; another's reads like an unknown one. */
export async function readDryRun(store: Store, organisationId: OrganisationId, id: string): Promise<DryRun | undefined> {
  const item = await store.get(DRY_RUNS_TABLE, { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : dryRuns.fromItem(item);
}

/** The dry run as the API shows it. @param partitions how many parts the payments are read in */
export function presentDryRun(run: DryRun, partitions: number): JsonObject {
  return {
    id: run.id,
    object: "dry_run",
    rule_set_id: run.ruleSetId,
    rule_set_version: run.ruleSetVersion,
    days: run.days,
    from: toTimestamp(run.from),
    to: toTimestamp(run.to),
    status: run.status,
    reason: run.reason,
    progress: { steps_done: Math.min(run.partition, partitions), steps_total: partitions },
    ...(run.tally as unknown as JsonObject),
    created_at: toTimestamp(run.createdAt),
    updated_at: toTimestamp(run.updatedAt),
    ended_at: run.endedAt === null ? null : toTimestamp(run.endedAt),
    version: run.version,
  };
}
