import type { CommitQueue } from "#commit/index.ts";
import type { ScaPolicies, ScaPolicy } from "#authentications/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids, OrganisationId, UserId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import type { Models } from "#risk/index.ts";
import type { Policies } from "#rules/index.ts";
import type { Vault } from "#vault/index.ts";
import type { AccountFactsCache } from "./account-facts.ts";

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
  /** Whether what a key or an operator (`personId`) said at `saidAt`, ms, about reviews still counts: neither may be out of office, or have been compromised. */
  readonly wordCounts: (organisationId: OrganisationId, personId: string, saidAt: number) => Promise<boolean>;
}
