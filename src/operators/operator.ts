import type { OperatorId, OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { RoleName } from "#kernel/roles.ts";
import type { Collection, Key, Store, Told, Versioned } from "#storage/index.ts";

export const OPERATORS_TABLE = "smartfinance-operators";

export const operatorStatuses = ["invited", "active", "disabled"] as const;
export type OperatorStatus = (typeof operatorStatuses)[number];

/** Why a person holds roles that one person should not hold together, and until when (SOX-03). */
export interface RolesException {
  readonly reason: string;
  /** Milliseconds; from then on the conflicting roles give nothing. */
  readonly expiresAt: number;
  /** The person who granted it; `null`: whoever has the store itself. */
  readonly grantedBy: string | null;
  readonly grantedAt: number;
}

/** Somebody of an organisation's staff. */
export interface Operator {
  readonly id: OperatorId;
  readonly organisationId: OrganisationId;
  readonly status: OperatorStatus;
  /** In the order of the table of roles, each once. */
  readonly roles: readonly RoleName[];
  readonly exception: RolesException | null;
  /** Name and e-mail address in one envelope, sealed under the organisation's data key. */
  readonly profile: JsonObject;
  /** Keyed hash of the normalised e-mail address. */
  readonly emailIndex: string;
  /** The person who invited him; `null`: whoever has the store itself. */
  readonly invitedBy: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly activatedAt: number | null;
  readonly disabledAt: number | null;
  readonly version: number;
}

interface StoredOperator {
  readonly id: OperatorId;
  readonly organisation_id: OrganisationId;
  readonly status: OperatorStatus;
  readonly roles: readonly RoleName[];
  readonly exception: {
    readonly reason: string;
    readonly expires_at: number;
    readonly granted_by: string | null;
    readonly granted_at: number;
  } | null;
  readonly profile: JsonObject;
  readonly email_index: string;
  readonly invited_by: string | null;
  readonly created_at: number;
  readonly updated_at: number;
  readonly activated_at: number | null;
  readonly disabled_at: number | null;
  readonly version: number;
}

/** What the audit log is told of operators: what each may do. The reason of an exception is somebody's own words and stays out. */
const operatorsTold: Told<Operator> = {
  prefix: "opr_",
  keyOf: (_organisationId, id) => ({ hash: id }),
  facts: ({ organisationId, status, roles, invitedBy, exception }) => ({
    organisation_id: organisationId,
    status,
    roles: [...roles],
    invited_by: invitedBy,
    exception: exception === null ? null : { expires_at: exception.expiresAt, granted_by: exception.grantedBy },
  }),
};

export const operators: Collection<Operator> = {
  table: OPERATORS_TABLE,
  told: operatorsTold,
  keyOf: ({ id }) => ({ hash: id }),
  toItem: (operator) => ({
    id: operator.id,
    organisation_id: operator.organisationId,
    status: operator.status,
    roles: [...operator.roles],
    exception:
      operator.exception === null
        ? null
        : {
            reason: operator.exception.reason,
            expires_at: operator.exception.expiresAt,
            granted_by: operator.exception.grantedBy,
            granted_at: operator.exception.grantedAt,
          },
    profile: operator.profile,
    email_index: operator.emailIndex,
    invited_by: operator.invitedBy,
    created_at: operator.createdAt,
    updated_at: operator.updatedAt,
    activated_at: operator.activatedAt,
    disabled_at: operator.disabledAt,
    version: operator.version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredOperator;
    const { exception } = stored;
    return {
      id: stored.id,
      organisationId: stored.organisation_id,
      status: stored.status,
      roles: stored.roles,
      exception:
        exception === null
          ? null
          : {
              reason: exception.reason,
              expiresAt: exception.expires_at,
              grantedBy: exception.granted_by,
              grantedAt: exception.granted_at,
            },
      profile: stored.profile,
      emailIndex: stored.email_index,
      invitedBy: stored.invited_by,
      createdAt: stored.created_at,
      updatedAt: stored.updated_at,
      activatedAt: stored.activated_at,
      disabledAt: stored.disabled_at,
      version: stored.version,
    };
  },
};

/** The operator after a change at `at` (ms). Its times never go back, whatever the clocks of two nodes say. */
export function changedOperator(operator: Operator, fields: Partial<Operator>, at: number): Operator {
  return { ...operator, ...fields, updatedAt: Math.max(at, operator.updatedAt), version: operator.version + 1 };
}

/** An operator of this organisation; another's reads like an unknown one. */
export async function readOperator(store: Store, organisationId: OrganisationId, id: OperatorId): Promise<Operator | undefined> {
  const item = await store.get(OPERATORS_TABLE, { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : operators.fromItem(item);
}

/** Whose an e-mail address is within an organisation: one record an address, so that no two operators get the same. */
export interface EmailClaim extends Versioned {
  readonly organisationId: OrganisationId;
  readonly emailIndex: string;
  readonly operatorId: OperatorId;
}

export const emailKey = (organisationId: OrganisationId, emailIndex: string): Key => ({ hash: `${organisationId}#${emailIndex}` });

export const emailClaims: Collection<EmailClaim> = {
  table: OPERATORS_TABLE,
  keyOf: ({ organisationId, emailIndex }) => emailKey(organisationId, emailIndex),
  toItem: ({ organisationId, emailIndex, operatorId, version }) => ({
    id: emailKey(organisationId, emailIndex).hash,
    // Not `organisation_id`: that would put the claim into the list of operators.
    of_organisation: organisationId,
    email_index: emailIndex,
    operator_id: operatorId,
    version,
  }),
  fromItem: (item) => ({
    organisationId: item.of_organisation as OrganisationId,
    emailIndex: String(item.email_index),
    operatorId: item.operator_id as OperatorId,
    version: Number(item.version),
  }),
};
