import type { CommitQueue } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import type { Vault } from "#vault/index.ts";

/** What every command and route of users is built with. */
export interface IdentityDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly vault: Vault;
  readonly ids: Ids;
  readonly clock: Clock;
}
