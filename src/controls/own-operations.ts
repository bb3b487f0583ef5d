import type { JsonObject } from "#kernel/json.ts";
import type { ControlPolicyBody } from "./change-policy.ts";
import { changeControlPolicy, readPolicyBody } from "./change-policy.ts";
import type { ControlDeps } from "./deps.ts";
import type { JournalBody, JournalReversalBody } from "./journal.ts";
import { judgeJournal, judgeReversal } from "./journal.ts";
import type { ControlledOperation, Payload } from "./operation.ts";
import { loosened } from "./policy.ts";
import { postJournalNow, reverseJournalNow } from "./post-journal.ts";
import type { TransactionId } from "#kernel/ids.ts";
import type { Scope } from "#kernel/scopes.ts";

/** The version that an `If-Match` of a payload names. */
export function versionIn({ if_match: seen }: Payload): number | undefined {
  return seen === null ? undefined : Number(seen.slice(1, -1));
}

/** The scopes of the operations of this room. */
export const OWN_SCOPES: readonly Scope[] = ["controls:write", "journals:write"];

/** A body that has passed its operation's schema before it was stored. */
export const bodyOf = <T>(payload: Payload): T => payload.body as unknown as T;
export const idOf = <T extends string>(payload: Payload): T => (payload.params as JsonObject).id as T;

/** The operations of this room itself. */
export function ownOperations(deps: Omit<ControlDeps, "operations">, all: () => ControlDeps["operations"]): readonly ControlledOperation[] {
  return [
    {
      operationId: "updateControlPolicy",
      kind: "control_policy",
      scope: "controls:write",
      facts(payload, _organisationId, policy) {
        const read = readPolicyBody(all(), bodyOf<ControlPolicyBody>(payload));
        if (!read.ok) return undefined;
        const looser = [...loosened(policy, read).values()];
        return looser.length === 0 ? undefined : { approvals: Math.max(...looser) };
      },
      execute: (payload, { asked, queue, approvals }) =>
        changeControlPolicy(
          { ...deps, queue, operations: all() },
          asked,
          bodyOf<ControlPolicyBody>(payload),
          versionIn(payload),
          approvals,
        ),
    },
    {
      operationId: "createJournal",
      kind: "journal",
      scope: "journals:write",
      always: true,
      facts: (payload, organisationId) => judgeJournal(deps.store, organisationId, bodyOf<JournalBody>(payload)),
      execute: (payload, { asked, queue, approvalId }) =>
        postJournalNow({ ...deps, queue }, asked, bodyOf<JournalBody>(payload), approvalId),
    },
    {
      operationId: "reverseJournal",
      kind: "journal",
      scope: "journals:write",
      always: true,
      facts: (payload, organisationId) => judgeReversal(deps.store, organisationId, idOf<TransactionId>(payload)),
      execute: (payload, { asked, queue, approvalId }) =>
        reverseJournalNow({ ...deps, queue }, asked, idOf<TransactionId>(payload), bodyOf<JournalReversalBody>(payload), approvalId),
    },
  ];
}
