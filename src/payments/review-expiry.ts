import type { ReviewTerms } from "#identity/index.ts";
import type { Clock } from "#kernel/clock.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import { firstIdAt } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import type { ExpiryDeps } from "./commands/review-expiry.ts";
import { expire } from "./commands/review-expiry.ts";
import { readReviewTerms } from "./read.ts";
import type { Review } from "./review.ts";
import { reviews, WAITING_SHARDS } from "./review.ts";
import { SHORTEST_LIFE_MS, statusAt } from "./review-times.ts";

export interface ReviewExpiryDeps extends ExpiryDeps {
  readonly store: Store;
  readonly clock: Clock;
  /** Told what went wrong; the next run goes on from there. */
  readonly onError: (error: unknown) => void;
}

export interface ReviewExpiry {
  /**
   * Gives up reviews whose time is over: looks at up to 6,400 undecided ones and goes on after them the next time. At most one
   * run at a time; whoever calls during one waits for it. Never rejects.
   * @returns how many were given to the commit queue for it
   */
  work(): Promise<number>;
}

/** Looked at together, and given up together at most. */
const PAGE = 100;
/** Pages of one shard in one run. */
const MAX_PAGES = 2;

/**
 * The timer's part of expiry: it writes down what `statusAt` tells already, so that held funds come free. Reviews of all
 * organisations lie in one sparse index, by age. The oldest ones need not be the first to expire, because organisations have terms
 * of their own; so each run goes on where the last one ended, and begins again after the end.
 */
export function createReviewExpiry(deps: ReviewExpiryDeps): ReviewExpiry {
  const { store, clock, onError } = deps;
  /** The last review looked at, by shard; absent where the next run begins anew. */
  const positions = new Map<string, string>();
  let running: Promise<number> | undefined;
  /** Place of the shard with which the last run began. */
  let first = -1;

  /** Writes it down; what went wrong where it could not be. */
  const giveUp = async (review: Review): Promise<unknown> => {
    try {
      const executed = await expire(deps, review);
      if (executed.ok) return undefined;
      const what = `the expired review ${review.id} was not written down: ${executed.code}`;
      return executed.code === "store_unavailable" ? new StoreUnavailableError(what) : new Error(what);
    } catch (error) {
      return error ?? new Error(`the expired review ${review.id} was not written down`);
    }
  };

  const shard = async (hash: string, termsOf: (id: OrganisationId) => Promise<ReviewTerms>): Promise<number> => {
    let given = 0;
    for (let pages = 0; pages < MAX_PAGES; pages++) {
      const from = positions.get(hash);
      const now = clock.now();
      const page = await store.query({
        table: "smartfinance-reviews",
        index: "WaitingReviewsIndex",
        hash,
        order: "ascending",
        limit: PAGE,
        ...(from === undefined ? {} : { from }),
        to: firstIdAt("review", Math.max(0, now - SHORTEST_LIFE_MS)),
      });
      const listed = page.items.map((item) => reviews.fromItem(item));
      const over: Review[] = [];
      for (const review of listed) if (statusAt(review, await termsOf(review.organisationId), now) === "expired") over.push(review);
      const failures = (await Promise.all(over.map((review) => giveUp(review)))).filter((failure) => failure !== undefined);
      given += over.length - failures.length;
      const away = failures.find((failure) => failure instanceof StoreUnavailableError);
      if (away !== undefined) throw away;
      // One review that cannot be written must not keep the others from expiring; the first of a page is told for all of it.
      if (failures.length > 0) onError(failures[0]);
      const last = listed.at(-1)?.id;
      if (page.cursor === undefined || last === undefined || last === from) {
        positions.delete(hash);
        return given;
      }
      positions.set(hash, last);
    }
    return given;
  };

  const run = async (): Promise<number> => {
    const known = new Map<OrganisationId, Promise<ReviewTerms>>();
    const termsOf = (id: OrganisationId): Promise<ReviewTerms> => {
      const found = known.get(id) ?? readReviewTerms(store, id);
      known.set(id, found);
      return found;
    };
    let given = 0;
    // Each run begins at another shard, so that one at which runs end does not hide those behind it.
    first = (first + 1) % WAITING_SHARDS.length;
    for (const hash of [...WAITING_SHARDS.slice(first), ...WAITING_SHARDS.slice(0, first)]) {
      try {
        given += await shard(hash, termsOf);
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
