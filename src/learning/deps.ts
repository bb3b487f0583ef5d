import type { CommitQueue } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids, OrganisationId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import type { ModelCache } from "./model-cache.ts";
import type { ModelReader } from "./read-in-worker.ts";
import type { Turns } from "./turns.ts";

/** What the operations of this room work with. */
export interface LearningDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly ids: Ids;
  readonly clock: Clock;
  readonly cache: ModelCache;
  readonly read: ModelReader;
  /** Heavy work of requests, one at a time. */
  readonly turns: Turns;
  /** Has this process forget the organisation's models in force, after a commit that changed them. */
  readonly forget: (id: OrganisationId) => void;
}
