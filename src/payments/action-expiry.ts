import type { Clock } from "#kernel/clock.ts";
import { firstIdAt } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { expireAction } from "./commands/action-expiry.ts";
import type { ExpiryDeps } from "./commands/review-expiry.ts";
import { waitsAt } from "./decide/action.ts";
import type { PaymentAction } from "./payment-action.ts";
import { ACTION_LIFE_MS, paymentActions, WAITING_SHARDS } from "./payment-action.ts";

export interface ActionExpiryDeps extends ExpiryDeps {
  readonly store: Store;
  readonly clock: Clock;
  /** Told what went wrong; the next run goes on from there. */
  readonly onError: (error: unknown) => void;
}

export interface ActionExpiry {
  /**
   * Gives up payments whose payers did not come in time: the oldest 3,200 at most. At most one run at a time; whoever calls during one
   * waits for it. Never rejects.
   * @returns how many were given to the commit queue for it
   */
  work(): Promise<number>;
}

/** Looked at together, and given up together at most. All wait equally long, so the oldest are the first to expire. */
const PAGE = 100;

/** The timer's part of expiry: it writes down what the clock tells already, so that the payment's end is told to everybody. */
export function createActionExpiry(deps: ActionExpiryDeps): ActionExpiry {
  const { store, clock, onError } = deps;
  let running: Promise<number> | undefined;

  const giveUp = async (action: PaymentAction): Promise<boolean> => {
    try {
      const executed = await expireAction(deps, action);
      if (executed.ok) return true;
      onError(new Error(`the expired payment ${action.transactionId} was not written down: ${executed.code}`));
    } catch (error) {
      // One that cannot be written must not keep the others from expiring.
      onError(error);
    }
    return false;
  };

  const shard = async (hash: string): Promise<number> => {
    const now = clock.now();
    const { items } = await store.query({
      table: paymentActions.table,
      index: "WaitingPaymentActionsIndex",
      hash,
      order: "ascending",
      limit: PAGE,
      // Up to and with those of that very millisecond.
      to: firstIdAt("transaction", Math.max(0, now - ACTION_LIFE_MS + 1)),
    });
    const over = items.map((item) => paymentActions.fromItem(item)).filter((action) => action.status === "open" && !waitsAt(action, now));
    return (await Promise.all(over.map(giveUp))).filter(Boolean).length;
  };

  const run = async (): Promise<number> => {
    let given = 0;
    for (const hash of WAITING_SHARDS) {
      try {
        given += await shard(hash);
      } catch (error) {
        onError(error);
        // A store that is away for one shard is so for all: the next run tries again.
        if (error instanceof StoreUnavailableError) return given;
      }
    }
    return given;
  };

  return {
    work() {
      running ??= run().finally(() => {
        running = undefined;
      });
      return running;
    },
  };
}
