import type { Actor, EventDraft } from "#audit/index.ts";
import type { CommitQueue } from "#commit/index.ts";
import type { Clock } from "#kernel/clock.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { ApiKeyId, Ids, OperatorId, OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { ProblemCode } from "#kernel/problems.ts";
import type { Scope } from "#kernel/scopes.ts";

/** How many refusals of one caller, an API key or an operator, are told one by one within a minute; the rest of the minute is told in one event. */
export const MAX_TOLD_PER_MINUTE = 20;
const MINUTE_MS = 60_000;
/** Callers with refusals in the last minute that are told apart. */
const MAX_CALLERS = 10_000;

const EVENTS: Partial<Record<ProblemCode, EventDraft["type"]>> = {
  insufficient_scope: "access.scope_refused",
  certificate_mismatch: "access.certificate_refused",
  sign_in_refused: "session.refused",
};

/** A call with a good key that was refused before any work was done for it. */
export interface RefusedCall {
  readonly code: ProblemCode;
  readonly allowlist?: "organisation" | "key";
  readonly scope?: Scope;
  readonly organisationId: OrganisationId;
  readonly apiKeyId: ApiKeyId | null;
  readonly operatorId?: OperatorId;
  readonly ip: string;
  readonly requestId: string;
  readonly operation: string;
  /** What the call was about, where that is not the caller: he who is to be signed in. */
  readonly objectId?: string;
  /** Further facts; never personal data, never a secret. */
  readonly details?: JsonObject;
}

export interface SecurityLog {
  /** Leaves an audit event, or counts the call for the summary. Never waits and never throws. */
  refused(call: RefusedCall): void;
  /** Tells the summaries of minutes that are over; all of them at the end of the process. Resolves when they are kept. */
  flush(all?: boolean): Promise<void>;
}

export interface SecurityLogDeps {
  readonly queue: CommitQueue;
  readonly ids: Ids;
  readonly clock: Clock;
  /** Told when an event could not be kept. */
  readonly onLost: (why: unknown) => void;
}

interface Tally {
  readonly since: number;
  told: number;
  /** Refusals that were only counted, by their code. */
  readonly counted: Map<ProblemCode, number>;
  last: RefusedCall | undefined;
}

/**
 * Keeps refused calls in the audit log of the organisation whose key was used, so that a flood of them cannot fill it: a key
 * leaves at most `MAX_TOLD_PER_MINUTE` events in a minute and one that sums up the rest. It takes a good key to leave any, or an
 * organisation that somebody tries to sign in to: those are counted for the operator who was meant, or else for the organisation.
 */
export function createSecurityLog(deps: SecurityLogDeps): SecurityLog {
  const { queue, ids, clock, onLost } = deps;
  const tallies = new Map<string, Tally>();

  async function keep(actor: Actor, draft: EventDraft): Promise<void> {
    try {
      const executed = await queue.execute({
        actor,
        needs: [],
        decide: () => ({ reply: { status: 204, body: "" }, changes: [], events: [draft] }),
      });
      if (!executed.ok) onLost(executed.code);
    } catch (error) {
      onLost(error);
    }
  }

  async function summarise({ since, counted, last }: Tally): Promise<void> {
    if (last === undefined) return;
    await keep(actorOf(last), {
      id: ids.next("event"),
      type: "access.refusals_coalesced",
      objectId: callerOf(last),
      details: { since: toTimestamp(since), refusals: Object.fromEntries(counted) },
    });
  }

  return {
    refused(call) {
      const { code } = call;
      const caller = callerOf(call);
      const now = clock.now();
      let tally = tallies.get(caller);
      if (tally !== undefined && isOver(tally, now)) {
        tallies.delete(caller);
        void summarise(tally);
        tally = undefined;
      }
      if (tally === undefined) {
        // More callers at once than that are refused without a trace here; the access log still has a line for each call.
        if (tallies.size >= MAX_CALLERS) return;
        tally = { since: now, told: 0, counted: new Map(), last: undefined };
        tallies.set(caller, tally);
      }
      if (tally.told >= MAX_TOLD_PER_MINUTE) {
        tally.counted.set(code, (tally.counted.get(code) ?? 0) + 1);
        tally.last = call;
        return;
      }
      tally.told += 1;
      const { operation, allowlist, scope, details = {} } = call;
      void keep(actorOf(call), {
        id: ids.next("event"),
        type: EVENTS[code] ?? "access.ip_refused",
        objectId: caller,
        details: { operation, ...(allowlist === undefined ? {} : { allowlist }), ...(scope === undefined ? {} : { scope }), ...details },
      });
    },

    async flush(all = false) {
      const now = clock.now();
      const over = [...tallies].filter(([, tally]) => all || isOver(tally, now));
      for (const [caller] of over) tallies.delete(caller);
      await Promise.all(over.map(([, tally]) => summarise(tally)));
    },
  };
}

/** Whether the minute of a tally is over, also where the clock was set back since: waiting for it to catch up could take hours. */
const isOver = ({ since }: Tally, now: number): boolean => Math.abs(now - since) >= MINUTE_MS;

/** Whose call it was: the key, or the operator whose session it came with. */
const callerOf = (call: RefusedCall): string => call.objectId ?? call.apiKeyId ?? call.operatorId ?? call.organisationId;

function actorOf({ organisationId, apiKeyId, operatorId, ip, requestId }: RefusedCall): Actor {
  return { organisationId, apiKeyId, operatorId: operatorId ?? null, ip, userAgent: null, requestId };
}
