import type { CommitQueue } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { Ids } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import type { Vault } from "#vault/index.ts";
import type { ControlledOperation, PeopleOf } from "./operation.ts";

/** What this room works with. */
export interface ControlDeps extends PeopleOf {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly vault: Vault;
  readonly ids: Ids;
  readonly clock: Clock;
  /** By operationId. */
  readonly operations: ReadonlyMap<string, ControlledOperation>;
  /** Told what went wrong where nobody waits for an answer; the worker goes on from there. */
  readonly onError: (error: unknown) => void;
}
