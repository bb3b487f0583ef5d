import type { CommitQueue, Executed } from "#commit/index.ts";
import { refused } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids, OrganisationId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
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

/** A refusal before anything was looked up under the Idempotency-Key: nothing is kept of it. */
export function refuseAtOnce(refusal: Refusal, requestId: string | null): Executed {
  return { ok: true, replayed: false, reply: refused(refusal, requestId).reply };
}
