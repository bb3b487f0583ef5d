import { personOf } from "#audit/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Vault } from "#vault/index.ts";
import type { Approval, Given, Who } from "./approval.ts";
import { approvalStatusAt } from "./approval.ts";
import type { Payload } from "./operation.ts";
import { openPayload } from "./payload.ts";

/** The approval as it stands at `at` (ms), with its opened payload. */
export function presentApproval(approval: Approval, payload: Payload, at: number): JsonObject {
  return {
    id: approval.id,
    object: "approval",
    kind: approval.kind,
    summary: approval.summary,
    status: approvalStatusAt(approval, at),
    payload: { ...payload },
    payload_hash: approval.payloadHash,
    revision: approval.revision,
    required_approvals: approval.required,
    requested_by: presentWho(approval.requestedBy),
    approvals: approval.approvals.map(presentGiven),
    ended_by: approval.ended === null ? null : presentGiven(approval.ended),
    failure: approval.failure === null ? null : { ...approval.failure },
    result_object_id: approval.resultId,
    created_at: toTimestamp(approval.createdAt),
    updated_at: toTimestamp(approval.updatedAt),
    expires_at: toTimestamp(approval.expiresAt),
    version: approval.version,
  };
}

/** Opens and presents. @throws StoreUnavailableError and its family when the key cannot be had. */
export async function showApproval(vault: Vault, approval: Approval, at: number): Promise<JsonObject> {
  return presentApproval(approval, await openPayload(vault, approval), at);
}

function presentWho(who: Who): JsonObject {
  return { person_id: personOf(who), api_key_id: who.apiKeyId, operator_id: who.operatorId ?? null };
}

function presentGiven(given: Given): JsonObject {
  return { ...presentWho(given), at: toTimestamp(given.at), reason: given.reason };
}

/** What events tell of an approval: who asked, who approved, and what exactly. No personal data. */
export function toldOf(approval: Approval): JsonObject {
  return {
    approval_id: approval.id,
    kind: approval.kind,
    operation: approval.operation,
    payload_hash: approval.payloadHash,
    revision: approval.revision,
    maker: personOf(approval.requestedBy),
    checkers: approval.approvals.map((one) => personOf(one)),
  };
}
