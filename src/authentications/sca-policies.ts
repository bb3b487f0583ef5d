import type { Clock } from "#kernel/clock.ts";
import { isGood } from "#kernel/clock.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import type { ScaPolicy } from "./policy.ts";
import { defaultScaPolicy, POLICIES_TABLE, scaPolicies, scaPolicyKey } from "./policy.ts";

export interface ScaPolicies {
  /**
   * The policy of an organisation, at most five seconds old; synchronous when it is in memory. Rejects with StoreUnavailableError:
   * without it no payment is decided.
   */
  of(id: OrganisationId): ScaPolicy | Promise<ScaPolicy>;
  /** Drops what is known of an organisation. To be called in the process that changed it, after the commit. */
  forget(id: OrganisationId): void;
}

const TTL_MS = 5_000;
const MAX_KNOWN = 10_000;
/** Organisations being read at once; more are refused. */
const MAX_READS = 200;

/** Reads the policy as it is stored. */
export async function readScaPolicy(store: Store, id: OrganisationId): Promise<ScaPolicy> {
  const item = await store.get(POLICIES_TABLE, scaPolicyKey(id));
  return item === undefined ? defaultScaPolicy(id) : scaPolicies.fromItem(item);
}

/** The policies, kept in memory for five seconds. */
export function createScaPolicies({ store, clock }: { readonly store: Store; readonly clock: Clock }): ScaPolicies {
  const known = new Map<OrganisationId, { readonly policy: ScaPolicy; readonly readAt: number }>();
  const reads = new Map<OrganisationId, Promise<ScaPolicy>>();

  const read = (id: OrganisationId): Promise<ScaPolicy> => {
    const shared = reads.get(id);
    if (shared !== undefined) return shared;
    if (reads.size >= MAX_READS) return Promise.reject(new StoreUnavailableError("too many policies are being read"));
    // The age counts from before the read: what was changed after this moment may not be in the answer.
    const readAt = clock.now();
    const started: Promise<ScaPolicy> = readScaPolicy(store, id)
      .then((policy) => {
        // Not when the policy was changed meanwhile: whoever asks from now on must see the change.
        if (reads.get(id) === started) {
          if (known.size >= MAX_KNOWN) known.clear();
          known.set(id, { policy, readAt });
        }
        return policy;
      })
      .finally(() => {
        if (reads.get(id) === started) reads.delete(id);
      });
    reads.set(id, started);
    return started;
  };

  return {
    of(id) {
      const found = known.get(id);
      const now = clock.now();
      return found !== undefined && isGood(found.readAt + TTL_MS, TTL_MS, now) ? found.policy : read(id);
    },
    forget(id) {
      known.delete(id);
      reads.delete(id);
    },
  };
}
