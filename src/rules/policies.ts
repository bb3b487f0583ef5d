import { invariant } from "#kernel/assert.ts";
import type { Clock } from "#kernel/clock.ts";
import { isGood } from "#kernel/clock.ts";
import type { OrganisationId, RuleSetId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import type { CompiledRules, Evaluation, RuleFault } from "./evaluate.ts";
import { compileRules, evaluate } from "./evaluate.ts";
import type { Facts } from "./facts.ts";
import type { Language } from "./language.ts";
import type { LoadedLists } from "./load-lists.ts";
import { loadLists, NO_LISTS } from "./load-lists.ts";
import { readPolicy } from "./policy.ts";
import { readRuleSet } from "./rule-set.ts";
import type { Thresholds } from "./thresholds.ts";

/** What an organisation has in force, as a decision needs it: in memory, immutable. */
export interface PolicySnapshot {
  readonly organisationId: OrganisationId;
  readonly thresholds: Thresholds;
  readonly ruleSetId: RuleSetId | null;
  /** The number of the rule set; null where there is none. */
  readonly ruleSetNumber: number | null;
  readonly rules: CompiledRules;
  /** Rules that do not compile any more, which count as failed for every payment. Empty as a rule. */
  readonly faults: readonly RuleFault[];
  /** Pure and synchronous. */
  readonly evaluate: (facts: Facts) => Evaluation;
}

export interface Policies {
  /**
   * The policy of an organisation, at most five seconds old. Synchronous when it is in memory; otherwise after a few reads,
   * which callers at the same time share.
   * Rejects with StoreUnavailableError: without its policy a payment must not be decided.
   */
  of(id: OrganisationId): PolicySnapshot | Promise<PolicySnapshot>;
  /** Drops what is known of an organisation. To be called in the process that changed it, after the commit. */
  forget(id: OrganisationId): void;
}

export interface PoliciesDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly language: Language;
  /** Told of a rule set in force that has rules which do not compile any more. */
  readonly onFault?: (snapshot: PolicySnapshot) => void;
  /** How long a store read counts, in ms. Default 5,000. */
  readonly ttlMs?: number;
  /** Organisations kept in memory. Default 1,000. */
  readonly maxOrganisations?: number;
  /** Entries of lists kept in memory, all organisations together. Default 1,000,000. */
  readonly maxEntries?: number;
  /** Organisations being read at once; more are refused. Default 200. */
  readonly maxReads?: number;
}

interface Known {
  readonly snapshot: PolicySnapshot;
  readonly lists: LoadedLists;
  /** Until when it counts, and from when on it is read anew beside the payments. */
  readonly goodUntil: number;
  readonly renewAt: number;
}

/** The policies in force, kept in memory. */
export function createPolicies(deps: PoliciesDeps): Policies {
  const { store, clock, language, onFault, ttlMs = 5_000, maxOrganisations = 1_000, maxEntries = 1_000_000, maxReads = 200 } = deps;
  invariant(ttlMs >= 0 && maxOrganisations >= 1 && maxReads >= 1, "the bounds of the policies are wrong");
  const known = new Map<OrganisationId, Known>();
  const reads = new Map<OrganisationId, Promise<PolicySnapshot>>();
  const none = compileRules(language, []);
  let entries = 0;

  const read = async (id: OrganisationId, before: Known | undefined): Promise<Known> => {
    // The age counts from before the reads: what was changed after this moment may not be in the answer.
    const now = clock.now();
    const { policy, registry } = await readPolicy(store, id);
    const rules = await rulesOf(id, policy.activeRuleSetId, before);
    const lists = rules.compiled.lists.length === 0 ? NO_LISTS : await loadLists(store, registry, rules.compiled.lists, before?.lists);
    const snapshot: PolicySnapshot = {
      organisationId: id,
      thresholds: policy.thresholds,
      ruleSetId: policy.activeRuleSetId,
      ruleSetNumber: rules.number,
      rules: rules.compiled,
      faults: rules.compiled.faults,
      evaluate: (facts) => evaluate(rules.compiled, facts, lists.members),
    };
    return { snapshot, lists, goodUntil: now + ttlMs, renewAt: now + ttlMs / 2 };
  };

  /** A rule set in force never changes, so it is compiled once. */
  const rulesOf = async (id: OrganisationId, ruleSetId: RuleSetId | null, before: Known | undefined) => {
    if (ruleSetId === null) return { compiled: none, number: null };
    if (before?.snapshot.ruleSetId === ruleSetId) return { compiled: before.snapshot.rules, number: before.snapshot.ruleSetNumber };
    const set = await readRuleSet(store, id, ruleSetId);
    invariant(set !== undefined, "the rule set in force is there");
    return { compiled: compileRules(language, set.rules), number: set.number };
  };

  const drop = (id: OrganisationId): void => {
    entries -= known.get(id)?.lists.entries ?? 0;
    known.delete(id);
  };

  const keep = (id: OrganisationId, fresh: Known): void => {
    drop(id);
    known.set(id, fresh);
    entries += fresh.lists.entries;
    // Those read longest ago go first.
    for (const oldest of known.keys()) {
      if (known.size <= maxOrganisations || oldest === id) break;
      drop(oldest);
    }
    // An organisation larger than the bound still has its own lists, and a few large ones do not cost the small ones theirs.
    while (entries > maxEntries && unloadLargest(id));
  };

  /**
   * Lets go of the largest lists of another organisation; its compiled rules stay. Among equals those of the one read last: were
   * it the one read first, large organisations that pay in turn would all find nothing.
   */
  const unloadLargest = (spared: OrganisationId): boolean => {
    let largest: OrganisationId | undefined;
    let size = 1;
    for (const [id, { lists }] of known)
      if (id !== spared && lists.entries >= size) {
        largest = id;
        size = lists.entries;
      }
    const found = largest === undefined ? undefined : known.get(largest);
    if (largest === undefined || found === undefined) return false;
    // The function that evaluated holds the lists, so it has to go with them.
    const { rules } = found.snapshot;
    const snapshot = { ...found.snapshot, evaluate: (facts: Facts) => evaluate(rules, facts, NO_LISTS.members) };
    known.set(largest, { snapshot, lists: NO_LISTS, goodUntil: Number.NEGATIVE_INFINITY, renewAt: Number.NEGATIVE_INFINITY });
    entries -= size;
    return true;
  };

  const renew = (id: OrganisationId): Promise<PolicySnapshot> => {
    const shared = reads.get(id);
    if (shared !== undefined) return shared;
    if (reads.size >= maxReads) return Promise.reject(new StoreUnavailableError("too many policies are being read"));
    const before = known.get(id);
    const started: Promise<PolicySnapshot> = read(id, before).then(
      (fresh) => {
        // Not when the policy was changed meanwhile: whoever asks from now on must see the change.
        if (reads.get(id) === started) {
          reads.delete(id);
          keep(id, fresh);
        }
        if (fresh.snapshot.faults.length > 0 && fresh.snapshot.ruleSetId !== before?.snapshot.ruleSetId) onFault?.(fresh.snapshot);
        return fresh.snapshot;
      },
      (error: unknown) => {
        if (reads.get(id) === started) reads.delete(id);
        throw error;
      },
    );
    reads.set(id, started);
    return started;
  };

  return {
    of(id) {
      const found = known.get(id);
      const now = clock.now();
      if (found === undefined || !isGood(found.goodUntil, ttlMs, now)) return renew(id);
      // What fails now is tried again by the next payment, at the latest when nothing good is known any more.
      if (now >= found.renewAt && reads.size < maxReads) renew(id).catch(() => undefined);
      return found.snapshot;
    },
    forget(id) {
      drop(id);
      reads.delete(id);
    },
  };
}
