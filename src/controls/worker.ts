import type { OrganisationId } from "#kernel/ids.ts";
import { toTimestamp } from "#kernel/clock.ts";
import { outageOf } from "#kernel/problems.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { approvals, APPROVALS_TABLE, DUE } from "./approval.ts";
import type { Approval } from "./approval.ts";
import type { ControlDeps } from "./deps.ts";
import { end, executeApproved } from "./execute.ts";

/** Carries on what no request waits for: approvals whose time is over, and approved operations that were not executed. */
export interface ApprovalWorker {
  /**
   * One round, up to 500 approvals of all organisations, first due first; where there are more, the next round goes on from there. At most
   * one at a time; whoever calls during one waits for it. Never rejects.
   */
  work(): Promise<void>;
  /** Lets the round under way end; none begins afterwards. */
  stop(): Promise<void>;
}

const PAGE = 100;
const MAX_PAGES = 5;

export function createApprovalWorker(deps: ControlDeps): ApprovalWorker {
  let running: Promise<void> | undefined;
  let stopped = false;
  /** Where a round that was full has stopped: what could not be carried on before it must not fill the next one, too. */
  let left: string | undefined;

  const carryOn = async (approval: Approval): Promise<void> => {
    if (approval.status === "pending") await end(deps, approval, "expired", null);
    else await executeApproved(deps, approval.organisationId as OrganisationId, approval.id);
  };

  const round = async (): Promise<void> => {
    let cursor = left;
    left = undefined;
    for (let pages = 0; pages < MAX_PAGES && !stopped; pages++) {
      const page = await deps.store.query({
        table: APPROVALS_TABLE,
        index: "DueApprovalsIndex",
        hash: DUE,
        // Everything of this very millisecond, too: what follows the time is an id.
        to: `${toTimestamp(deps.clock.now())}#~`,
        order: "ascending",
        limit: PAGE,
        ...(cursor === undefined ? {} : { cursor }),
      });
      for (const item of page.items) {
        if (stopped) return;
        try {
          await carryOn(approvals.fromItem(item));
        } catch (error) {
          // One that cannot be carried on must not keep the others from it: an organisation's blocked key is no outage for everybody.
          if (error instanceof StoreUnavailableError && outageOf(error) !== "key_blocked") throw error;
          deps.onError(error);
        }
      }
      cursor = page.cursor;
      if (cursor === undefined) return;
    }
    left = cursor;
  };

  return {
    work() {
      if (stopped) return Promise.resolve();
      running ??= round()
        .catch((error: unknown) => deps.onError(error))
        .finally(() => {
          running = undefined;
        });
      return running;
    },
    async stop() {
      stopped = true;
      await running;
    },
  };
}
