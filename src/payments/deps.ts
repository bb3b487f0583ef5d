import type { Actor } from "#audit/index.ts";
import type { CommitQueue } from "#commit/index.ts";
import type { ScaPolicies, ScaPolicy } from "#authentications/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids, OrganisationId, UserId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import type { Models } from "#risk/index.ts";
import type { Policies } from "#rules/index.ts";
import type { Vault } from "#vault/index.ts";
import type { AccountFactsCache } from "./account-facts.ts";
import type { FirstApproval } from "./review.ts";

/** What every payment command is built with. */
export interface PaymentDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly vault: Vault;
  readonly ids: Ids;
  readonly clock: Clock;
  readonly facts: AccountFactsCache;
  /** What organisations have in force: thresholds and rules, and models. */
  readonly policies: Pick<Policies, "of">;
  readonly models: Models;
  /** How organisations authenticate their payers, and whether a user has a factor to be authenticated with. */
  readonly sca: Pick<ScaPolicies, "of">;
  readonly canAuthenticate: (organisationId: OrganisationId, userId: UserId, policy: ScaPolicy) => Promise<boolean>;
  readonly reviewers: Reviewers;
}

/** What is known of those who decide reviews. Both read the store. */
export interface Reviewers {
  /** A count that is another one once the operator behind an actor has come back after having been compromised; to be noted with what the actor says. */
  wordEpoch(actor: Actor): Promise<number | null>;
  /** Whether an approval counts: who gave it, and the key it came by, may neither be out of office by now nor have been compromised since. */
  wordCounts(organisationId: OrganisationId, word: Omit<FirstApproval, "reasonCode">): Promise<boolean>;
}
