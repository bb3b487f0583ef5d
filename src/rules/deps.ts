import type { Executed, CommitQueue } from "#commit/index.ts";
import { refused } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids, OrganisationId } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import type { Store } from "#storage/index.ts";
import type { Language } from "./language.ts";

/** What the operations of this room work with. */
export interface RulesDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly ids: Ids;
  readonly clock: Clock;
  readonly language: Language;
  /** Has this process forget the organisation's policy, after a commit that changed it. */
  readonly forget: (id: OrganisationId) => void;
}

/** A refusal before anything was looked up under the Idempotency-Key: nothing is kept of it. */
export function refuseAtOnce(refusal: Refusal, requestId: string | null): Executed {
  return { ok: true, replayed: false, reply: refused(refusal, requestId).reply };
}
