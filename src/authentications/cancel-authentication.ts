import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import { invariant } from "#kernel/assert.ts";
import type { AuthenticationId } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import { authentications, readAuthentication, statusAt } from "./authentication.ts";
import type { AuthenticationDeps } from "./deps.ts";
import { presentAuthentication } from "./present-authentication.ts";
import { openApproval } from "./sealed-approval.ts";

/** POST /v1/authentications/{id}/cancel: the payer says no. A payment that waits for it is given up, and its funds are free. */
export async function cancelAuthentication(deps: AuthenticationDeps, asked: Asked, id: AuthenticationId): Promise<Executed> {
  const { organisationId, requestId } = asked.actor;
  const found = await readAuthentication(deps.store, organisationId, id);
  if (found === undefined) return deps.queue.execute({ ...asked, needs: [], decide: () => refused(refuse("not_found"), requestId) });
  const approval = await openApproval(deps.vault, found);
  const waiting = found.transactionId === null ? undefined : await deps.waiting.read(organisationId, found.transactionId);
  const eventId = deps.ids.next("event");
  return deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    privateReply: true,
    needs: [{ collection: authentications, key: { hash: id }, mode: "write" }, ...(waiting?.needs ?? [])],
    decide(view, at) {
      const work = workOn(view);
      const stored = work.get(authentications, { hash: id });
      invariant(stored, "an authentication is never deleted");
      const status = statusAt(stored, at);
      // Also one that has succeeded can be taken back, as long as nothing was done with it.
      if (status !== "pending" && status !== "succeeded")
        return refused(refuse("authentication_not_usable", undefined, `It is ${status}.`), requestId);
      const canceled = { ...stored, status: "invalidated" as const, version: stored.version + 1 };
      work.put(authentications, canceled);
      work.tell({ id: eventId, type: "authentication.canceled", objectId: id, userId: stored.userId });
      // Whoever may not approve the payment any more does not give it up either.
      if (waiting?.stillWaiting(work, at) !== undefined && waiting.mayBeApprovedBy(work, stored.userId))
        waiting.giveUp(work, "authentication_canceled", at);
      return work.outcome(replied(200, presentAuthentication(canceled, approval, null, at)));
    },
  });
}
