import type { Actor } from "#audit/index.ts";
import { personOf } from "#audit/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { ApprovalId, OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Collection, Store, Told } from "#storage/index.ts";
import type { Said } from "./operation.ts";

/**
 * `approved`: enough persons have approved it, and it is being executed. `voided`: taken back by its maker, or the maker may not act
 * any more. `failed`: approved, and then refused by what it was to do.
 */
export const approvalStatuses = ["pending", "approved", "executed", "rejected", "expired", "voided", "failed"] as const;
export type ApprovalStatus = (typeof approvalStatuses)[number];

/** Who did something about an approval, and what proves that it was somebody else. */
export type Who = Pick<Actor, "apiKeyId" | "operatorId" | "personId">;

/** One person's word. */
export interface Given extends Who, Said {
  readonly reason: string | null;
}

/** An operation that waits for further persons. What was approved is what is executed, once. */
export interface Approval {
  readonly id: ApprovalId;
  readonly organisationId: OrganisationId;
  readonly kind: string;
  readonly operation: string;
  /** What it is about in a few words, without personal data. */
  readonly summary: string;
  /** The payload's canonical JSON, sealed: it may hold personal data. */
  readonly payload: JsonObject;
  /** Lower-case hex SHA-256, see `payloadHash`. */
  readonly payloadHash: string;
  /** 1, and one more with each amendment. */
  readonly revision: number;
  /** The maker, as it acted. */
  readonly requestedBy: Actor;
  /** When the maker asked for this revision, ms. */
  readonly requestedAt: number;
  /** The maker's `wordEpoch` then, and what the operation's `countOf` said; `null` where there is none, or an earlier release wrote it. */
  readonly requestedEpoch: number | null;
  readonly requestedCount: number | null;
  /** Persons beside the maker. */
  readonly required: number;
  /** Of this revision; an amendment begins anew. */
  readonly approvals: readonly Given[];
  readonly status: ApprovalStatus;
  /** Who rejected it or took it back. */
  readonly ended: Given | null;
  /** Why it could not be executed. */
  readonly failure: { readonly code: string; readonly detail: string | null } | null;
  /** The object that the execution made or changed. */
  readonly resultId: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** From this moment on nobody can approve it any more. */
  readonly expiresAt: number;
  /** When the last person that was needed approved it. */
  readonly approvedAt: number | null;
  /** When the maker took the secret that the execution made, which is shown once. */
  readonly claimedAt: number | null;
  readonly version: number;
}

export const APPROVALS_TABLE = "smartfinance-approvals";

/** How long after the last approval the execution is tried without the worker, ms: the request that approves does it itself. */
const FIRST_RETRY_MS = 10_000;

/** The hash value of the index of approvals that the worker has something to do for some day. */
export const DUE = "due";

/** When the worker has to look at it: its place in the index. */
function dueAt({ id, status, expiresAt, approvedAt }: Approval): JsonObject {
  if (status === "pending") return { due: DUE, due_at: `${toTimestamp(expiresAt)}#${id}` };
  if (status === "approved") return { due: DUE, due_at: `${toTimestamp((approvedAt ?? expiresAt) + FIRST_RETRY_MS)}#${id}` };
  return {};
}

/** Hash values of the index by status. */
export const approvalStatusKey = (organisationId: OrganisationId, status: string): string => `${organisationId}#${status}`;

/** What the audit log is told of approvals: what was approved, and by whom. Reasons are people's own words and stay out. */
const approvalsTold: Told<Approval> = {
  prefix: "apr_",
  keyOf: (_organisationId, id) => ({ hash: id }),
  facts: (approval) => ({
    organisation_id: approval.organisationId,
    kind: approval.kind,
    operation: approval.operation,
    payload_hash: approval.payloadHash,
    revision: approval.revision,
    requested_by: personOf(approval.requestedBy),
    required: approval.required,
    approved_by: approval.approvals.map(personOf),
    status: approval.status,
    result_id: approval.resultId,
    expires_at: approval.expiresAt,
  }),
};

export const approvals: Collection<Approval> = {
  table: APPROVALS_TABLE,
  told: approvalsTold,
  keyOf: ({ id }) => ({ hash: id }),
  toItem: (approval) => ({
    id: approval.id,
    organisation_id: approval.organisationId,
    status_key: approvalStatusKey(approval.organisationId, approval.status),
    ...dueAt(approval),
    kind: approval.kind,
    operation: approval.operation,
    summary: approval.summary,
    payload: approval.payload,
    payload_hash: approval.payloadHash,
    revision: approval.revision,
    requested_by: {
      ...whoToItem(approval.requestedBy),
      ip: approval.requestedBy.ip,
      user_agent: approval.requestedBy.userAgent,
      request_id: approval.requestedBy.requestId,
    },
    requested_at: approval.requestedAt,
    ...(approval.requestedEpoch === null ? {} : { requested_epoch: approval.requestedEpoch }),
    ...(approval.requestedCount === null ? {} : { requested_count: approval.requestedCount }),
    required: approval.required,
    approvals: approval.approvals.map(givenToItem),
    status: approval.status,
    ended: approval.ended === null ? null : givenToItem(approval.ended),
    failure: approval.failure === null ? null : { ...approval.failure },
    result_id: approval.resultId,
    created_at: approval.createdAt,
    updated_at: approval.updatedAt,
    expires_at: approval.expiresAt,
    approved_at: approval.approvedAt,
    claimed_at: approval.claimedAt,
    version: approval.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredApproval;
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      kind: stored.kind,
      operation: stored.operation,
      summary: stored.summary,
      payload: stored.payload,
      payloadHash: stored.payload_hash,
      revision: stored.revision,
      requestedBy: {
        organisationId: stored.organisation_id,
        ...whoFromItem(stored.requested_by),
        ip: stored.requested_by.ip,
        userAgent: stored.requested_by.user_agent,
        requestId: stored.requested_by.request_id,
      },
      requestedAt: stored.requested_at ?? stored.created_at,
      requestedEpoch: stored.requested_epoch ?? null,
      requestedCount: stored.requested_count ?? null,
      required: stored.required,
      approvals: stored.approvals.map(givenFromItem),
      status: stored.status,
      ended: stored.ended === null ? null : givenFromItem(stored.ended),
      failure: stored.failure,
      resultId: stored.result_id,
      createdAt: stored.created_at,
      updatedAt: stored.updated_at,
      expiresAt: stored.expires_at,
      approvedAt: stored.approved_at,
      claimedAt: stored.claimed_at,
      version: stored.version,
    };
  },
};

/** An approval of this organisation; another's reads like an unknown one. */
export async function readApproval(store: Store, organisationId: OrganisationId, id: ApprovalId): Promise<Approval | undefined> {
  const item = await store.get(APPROVALS_TABLE, { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : approvals.fromItem(item);
}

/** What holds at `at` (ms): one whose time is over is expired, whether or not that was written down. */
export function approvalStatusAt({ status, expiresAt }: Pick<Approval, "status" | "expiresAt">, at: number): ApprovalStatus {
  return status === "pending" && at >= expiresAt ? "expired" : status;
}

interface StoredWho {
  readonly api_key_id: string | null;
  readonly operator_id: string | null;
  readonly person_id: string | null;
}
interface StoredGiven extends StoredWho {
  readonly at: number;
  readonly epoch?: number;
  readonly reason: string | null;
}

const whoToItem = ({ apiKeyId, operatorId = null, personId = null }: Who): JsonObject => ({
  api_key_id: apiKeyId,
  operator_id: operatorId,
  person_id: personId,
});
const whoFromItem = (stored: StoredWho): Who => ({
  apiKeyId: stored.api_key_id,
  operatorId: stored.operator_id,
  personId: stored.person_id,
});
const givenToItem = (given: Given): JsonObject => ({
  ...whoToItem(given),
  at: given.at,
  ...(given.epoch === null ? {} : { epoch: given.epoch }),
  reason: given.reason,
});
const givenFromItem = (stored: StoredGiven): Given => ({
  ...whoFromItem(stored),
  at: stored.at,
  epoch: stored.epoch ?? null,
  reason: stored.reason,
});

interface StoredApproval {
  readonly id: ApprovalId;
  readonly organisation_id: OrganisationId;
  readonly kind: string;
  readonly operation: string;
  readonly summary: string;
  readonly payload: JsonObject;
  readonly payload_hash: string;
  readonly revision: number;
  readonly requested_by: StoredWho & { readonly ip: string | null; readonly user_agent: string | null; readonly request_id: string | null };
  /** Absent where an earlier release wrote it. */
  readonly requested_at?: number;
  readonly requested_epoch?: number;
  readonly requested_count?: number;
  readonly required: number;
  readonly approvals: readonly StoredGiven[];
  readonly status: ApprovalStatus;
  readonly ended: StoredGiven | null;
  readonly failure: Approval["failure"];
  readonly result_id: string | null;
  readonly created_at: number;
  readonly updated_at: number;
  readonly expires_at: number;
  readonly approved_at: number | null;
  readonly claimed_at: number | null;
  readonly version: number;
}
