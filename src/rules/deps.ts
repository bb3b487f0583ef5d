import type { CommitQueue } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids, OrganisationId } from "#kernel/ids.ts";
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
