import type { AccountId, OrganisationId, ReviewId, TransactionId, UserId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { RiskContext } from "#risk/index.ts";
import type { Collection, Key } from "#storage/index.ts";
import type { DataKey, Sealed, Vault } from "#vault/index.ts";

const TABLE = "smartfinance-payment-actions";

/** How long a payment waits for its payer, ms: time for three authentications. */
export const ACTION_LIFE_MS = 15 * 60_000;

/** What a payment in `requires_action` waits for: its payer. Kept beside the transaction, so that those that never wait carry nothing of it. */
export interface PaymentAction {
  readonly transactionId: TransactionId;
  readonly organisationId: OrganisationId;
  readonly userId: UserId;
  readonly fromAccountId: AccountId;
  readonly toAccountId: AccountId;
  /** Null when it posts once the payer is authenticated; otherwise it goes to a review, whose id is drawn anew when it is opened. */
  readonly reviewId: ReviewId | null;
  readonly status: "open" | "completed" | "given_up" | "expired";
  /** The circumstances of the payment, sealed, while it waits: the profile learns from them once it posts. */
  readonly context: JsonObject | null;
  readonly expiresAt: number;
  readonly createdAt: number;
  readonly version: number;
}

export function actionKey(id: TransactionId): Key {
  return { hash: id };
}

/** The hash values of the index of waiting ones: the last character of an id is random. */
export const WAITING_SHARDS: readonly string[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ".split("");

export const paymentActions: Collection<PaymentAction> = {
  table: TABLE,
  keyOf: ({ transactionId }) => actionKey(transactionId),
  toItem: (action) => ({
    id: action.transactionId,
    organisation_id: action.organisationId,
    ...(action.status === "open" ? { waiting: action.transactionId.slice(-1) } : {}),
    user_id: action.userId,
    from_account_id: action.fromAccountId,
    to_account_id: action.toAccountId,
    review_id: action.reviewId,
    status: action.status,
    context: action.context,
    expires_at: action.expiresAt,
    created_at: action.createdAt,
    version: action.version,
  }),
  fromItem: (item) => ({
    transactionId: item.id as TransactionId,
    organisationId: item.organisation_id as OrganisationId,
    userId: item.user_id as UserId,
    fromAccountId: item.from_account_id as AccountId,
    toAccountId: item.to_account_id as AccountId,
    reviewId: item.review_id as ReviewId | null,
    status: item.status as PaymentAction["status"],
    context: item.context as JsonObject | null,
    expiresAt: Number(item.expires_at),
    createdAt: Number(item.created_at),
    version: Number(item.version),
  }),
};

/** The action once it is over: what was only kept for the waiting goes. */
export function closedAction(action: PaymentAction, status: Exclude<PaymentAction["status"], "open">): PaymentAction {
  return { ...action, status, context: null, version: action.version + 1 };
}

const binding = (organisationId: OrganisationId, id: string) =>
  ({
    organisation_id: organisationId,
    table: TABLE,
    record: id,
    field: "context",
  }) as const;

export function sealContext(vault: Vault, dataKey: DataKey, id: string, context: RiskContext): JsonObject {
  return { ...vault.seal(dataKey, binding(dataKey.organisationId, id), JSON.stringify(context)) };
}

/** Opens the circumstances; none where there are none any more. */
export async function openContext(
  vault: Vault,
  { organisationId, transactionId, context }: Pick<PaymentAction, "organisationId" | "transactionId" | "context">,
): Promise<RiskContext> {
  if (context === null) return {};
  const sealed = context as unknown as Sealed;
  const dataKey = await vault.dataKeyById(organisationId, sealed.key_id);
  return JSON.parse(vault.open(dataKey, binding(organisationId, transactionId), sealed)) as RiskContext;
}
