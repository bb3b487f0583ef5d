import type { EventDraft } from "#audit/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import { problemBody, statusOf } from "#kernel/problem-body.ts";
import type { Refusal } from "#kernel/problems.ts";
import type { Collection, Key, Versioned } from "#storage/index.ts";
import type { Change, Executed, Outcome, Reply, View } from "./command.ts";
import { change } from "./command.ts";
import { createKeyed } from "./keyed.ts";

/**
 * A refusal as the outcome of a command: a reply, and nothing changed. Of `contention`, which says that the same request may well
 * succeed when it is sent again, nothing is kept under the Idempotency-Key: kept, it would be the answer to every repetition.
 */
export function refused(refusal: Refusal, requestId: string | null): Outcome {
  const reply = { status: statusOf(refusal.code), body: problemBody(refusal, requestId) };
  return refusal.code === "contention" ? { reply, changes: [], events: [], passing: true } : { reply, changes: [], events: [] };
}

/** A refusal before anything was looked up under the Idempotency-Key: nothing is kept of it. */
export function refuseAtOnce(refusal: Refusal, requestId: string | null): Executed {
  return { ok: true, replayed: false, reply: refused(refusal, requestId).reply };
}

/** A reply with a JSON object. */
export function replied(status: number, object: JsonObject): Reply {
  return { status, body: JSON.stringify(object) };
}

/** State as one command changes it step by step; its changes in the end are one per record. */
export interface Working extends View {
  put<T extends Versioned>(collection: Collection<T>, record: T): void;
  tell(event: EventDraft): void;
  outcome(reply: Reply): Outcome;
}

/** A working copy over the group's view, for commands that decide several things in a row. */
export function workOn(view: View): Working {
  const touched = createKeyed<Change>();
  const events: EventDraft[] = [];
  return {
    get<T extends Versioned>(collection: Collection<T>, key: Key): T | undefined {
      const own = touched.get(collection.table, key);
      return own === undefined ? view.get(collection, key) : (own.record as unknown as T);
    },
    put(collection, record) {
      touched.set(collection.table, collection.keyOf(record), change(collection, record));
    },
    tell: (event) => void events.push(event),
    outcome: (reply) => ({ reply, changes: touched.values(), events }),
  };
}
