import type { EventType } from "#audit/index.ts";
import type { EventId, OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { ProblemCode } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Collection, Key, Versioned } from "#storage/index.ts";
import type { Asked } from "./asked.ts";
import type { Executed } from "./command.ts";
import { refused, replied, workOn } from "./outcome.ts";
import type { CommitQueue } from "./queue.ts";

/** Work that a worker carries on until it has ended. Times in ms. */
interface Job extends Versioned {
  readonly organisationId: OrganisationId;
  readonly status: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly endedAt: number | null;
}

/** One kind of job, of which an organisation has one under way at a time, as its registry says. */
export interface JobKind<J extends Job, R extends Versioned> {
  readonly jobs: Collection<J>;
  readonly registries: Collection<R>;
  readonly registryKey: (organisationId: OrganisationId) => Key;
  /** The registry without this job; `undefined` where another, or none, is under way. */
  readonly without: (registry: R, id: string) => R | undefined;
  /** What somebody is told whose job has ended before. */
  readonly finished: ProblemCode;
  readonly canceled: EventType;
  readonly details: (job: J) => JsonObject;
  readonly present: (job: J) => JsonObject;
}

/** Ends a job that is under way: its worker finds it so and does no more. What was done so far stays in the record. */
export function cancelJob<J extends Job, R extends Versioned>(
  queue: CommitQueue,
  asked: Asked,
  { id, eventId }: { readonly id: string; readonly eventId: EventId },
  kind: JobKind<J, R>,
): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const key = { hash: id };
  const registryKey = kind.registryKey(organisationId);
  return queue.execute({
    ...asked,
    needs: [
      { collection: kind.jobs, key, mode: "write" },
      { collection: kind.registries, key: registryKey, mode: "write" },
    ],
    decide(view, at) {
      const work = workOn(view);
      const job = work.get(kind.jobs, key);
      if (job === undefined || job.organisationId !== organisationId) return refused(refuse("not_found"), requestId);
      if (job.status !== "running") return refused(refuse(kind.finished), requestId);
      const canceled: J = {
        ...job,
        status: "canceled",
        updatedAt: Math.max(at, job.updatedAt),
        endedAt: Math.max(at, job.createdAt),
        version: job.version + 1,
      };
      work.put(kind.jobs, canceled);
      const registry = work.get(kind.registries, registryKey);
      const freed = registry && kind.without(registry, id);
      if (freed !== undefined) work.put(kind.registries, freed);
      work.tell({ id: eventId, type: kind.canceled, objectId: id, details: kind.details(job) });
      return work.outcome(replied(200, kind.present(canceled)));
    },
  });
}
