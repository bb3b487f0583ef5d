import { invariant } from "#kernel/assert.ts";
import type { AccountId, BeneficiaryId, OrganisationId, StandingOrderId, TransactionId, UserId } from "#kernel/ids.ts";
import type { Currency } from "#kernel/money.ts";
import { MAX_MINOR } from "#kernel/money.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { mayInitiate, readAccount, settlementAccountId } from "#ledger/index.ts";
import type { Store } from "#storage/index.ts";
import type { Approval, ApprovedPayment, Purpose } from "./approval.ts";
import { totalOf } from "./approval.ts";
import { readBeneficiary } from "./beneficiary.ts";
import type { AuthenticationDeps, WaitingPayment } from "./deps.ts";
import { readStandingOrder } from "./standing-order.ts";

/** A payment that is to be approved before it is asked for. */
export interface PaymentFields {
  readonly type?: ApprovedPayment["type"];
  readonly from_account_id: AccountId;
  /** Left out for withdrawals, which go to the settlement account. */
  readonly to_account_id?: AccountId;
  readonly amount: number;
  readonly currency: Currency;
  readonly reference?: string;
  readonly payee_name?: string;
}

export interface StandingOrderFields {
  readonly from_account_id: AccountId;
  readonly to_account_id: AccountId;
  readonly amount: number;
  readonly currency: Currency;
  readonly payee_name?: string;
  readonly standing_order_id?: StandingOrderId;
}

/** The body of POST /v1/authentications. */
export interface CreateAuthenticationBody {
  readonly user_id: UserId;
  readonly purpose: Purpose;
  readonly transaction_id?: TransactionId;
  readonly payee_name?: string;
  readonly payment?: PaymentFields;
  readonly batch?: readonly PaymentFields[];
  readonly beneficiary?: { readonly account_id: AccountId; readonly name: string; readonly beneficiary_id?: BeneficiaryId };
  readonly standing_order?: StandingOrderFields;
}

export type ReadApproval = { readonly ok: true; readonly approval: Approval; readonly waiting: WaitingPayment | undefined } | Refusal;

/** Which members of the body go with a purpose. Exactly one of them has to be there. */
const members: Readonly<Record<Purpose, readonly (keyof CreateAuthenticationBody)[]>> = {
  payment: ["transaction_id", "payment"],
  batch: ["batch"],
  beneficiary: ["beneficiary"],
  standing_order: ["standing_order"],
  account_access: [],
  credential: [],
};
const everyMember = ["transaction_id", "payment", "batch", "beneficiary", "standing_order"] as const;

/** Reads what is to be approved from a request: the accounts are the user's, or at least the organisation's, and there. */
export async function readApproval(
  deps: Pick<AuthenticationDeps, "store" | "waiting">,
  organisationId: OrganisationId,
  body: CreateAuthenticationBody,
): Promise<ReadApproval> {
  const { purpose } = body;
  const given = everyMember.filter((name) => body[name] !== undefined);
  const wanted = members[purpose];
  const [stray] = given.filter((name) => !wanted.includes(name));
  if (stray !== undefined) return refuse("invalid_request", stray, `It does not go with the purpose ${purpose}.`);
  if (wanted.length > 0 && given.length !== 1) return refuse("missing_field", wanted[0], `One of ${wanted.join(", ")} is needed.`);
  if (body.payee_name !== undefined && body.transaction_id === undefined)
    return refuse("invalid_request", "payee_name", "It goes with transaction_id; elsewhere it is a part of what is approved.");
  if (body.transaction_id !== undefined) return readWaiting(deps, organisationId, body, body.transaction_id);
  const plain = (approval: Approval): ReadApproval => ({ ok: true, approval, waiting: undefined });
  if (body.payment !== undefined) {
    const payment = await readPayment(deps.store, organisationId, body.user_id, body.payment, "payment");
    return "code" in payment ? payment : plain({ purpose: "payment", transaction_id: null, payment });
  }
  if (body.batch !== undefined) return readBatch(deps.store, organisationId, body.user_id, body.batch);
  if (body.beneficiary !== undefined) {
    const { account_id, name, beneficiary_id = null } = body.beneficiary;
    if (beneficiary_id !== null) {
      const found = await readBeneficiary(deps.store, organisationId, beneficiary_id);
      if (found === undefined || found.userId !== body.user_id) return refuse("not_found", "beneficiary.beneficiary_id");
    }
    const account = await readAccount(deps.store, organisationId, account_id);
    if (account === undefined) return refuse("account_not_found", "beneficiary.account_id");
    return plain({ purpose: "beneficiary", beneficiary: { account_id, name, beneficiary_id } });
  }
  if (body.standing_order !== undefined) {
    const { payee_name = null, standing_order_id = null, ...order } = body.standing_order;
    if (standing_order_id !== null) {
      const found = await readStandingOrder(deps.store, organisationId, standing_order_id);
      if (found === undefined || found.userId !== body.user_id) return refuse("not_found", "standing_order.standing_order_id");
    }
    const payment = await readPayment(deps.store, organisationId, body.user_id, order, "standing_order");
    return "code" in payment ? payment : plain({ purpose: "standing_order", standing_order: { ...order, payee_name, standing_order_id } });
  }
  invariant(purpose === "account_access" || purpose === "credential", "every other purpose has a member of its own");
  return plain({ purpose });
}

async function readWaiting(
  { waiting }: Pick<AuthenticationDeps, "waiting">,
  organisationId: OrganisationId,
  body: CreateAuthenticationBody,
  id: TransactionId,
): Promise<ReadApproval> {
  const found = await waiting.read(organisationId, id);
  if (found === undefined) return refuse("transaction_not_found", "transaction_id", NOT_WAITING);
  return { ok: true, approval: waitingApproval(id, found.payment, body.payee_name ?? null), waiting: found };
}

/** The same for whoever may not approve it, so that nobody learns what waits for others. */
export const NOT_WAITING = "No payment that this user may approve waits under this id.";

/** What the payer of a waiting payment approves: the payment as it is stored, and the payee's name as it is shown. */
export function waitingApproval(id: TransactionId, payment: ApprovedPayment, payeeName: string | null): Approval {
  return { purpose: "payment", transaction_id: id, payment: { ...payment, payee_name: payeeName } };
}

async function readBatch(
  store: Store,
  organisationId: OrganisationId,
  userId: UserId,
  fields: readonly PaymentFields[],
): Promise<ReadApproval> {
  const payments: ApprovedPayment[] = [];
  for (const [index, one] of fields.entries()) {
    const payment = await readPayment(store, organisationId, userId, one, `batch.${index}`);
    if ("code" in payment) return payment;
    if (payment.type !== "transfer") return refuse("invalid_request", `batch.${index}.type`, "A batch has transfers only.");
    if (payment.currency !== fields[0]?.currency)
      return refuse("currency_mismatch", `batch.${index}.currency`, "A total has one currency, so a batch to be approved has, too.");
    payments.push(payment);
  }
  if (totalOf(payments) > MAX_MINOR) return refuse("number_out_of_range", "batch");
  return { ok: true, approval: { purpose: "batch", payments }, waiting: undefined };
}

async function readPayment(
  store: Store,
  organisationId: OrganisationId,
  userId: UserId,
  fields: PaymentFields,
  path: string,
): Promise<ApprovedPayment | Refusal> {
  const { type = "transfer", from_account_id, amount, currency, reference = null, payee_name = null } = fields;
  if ((fields.to_account_id === undefined) !== (type === "withdrawal"))
    return type === "withdrawal"
      ? refuse("invalid_request", `${path}.to_account_id`, "A withdrawal goes to the settlement account, which is not named.")
      : refuse("missing_field", `${path}.to_account_id`);
  const to_account_id = fields.to_account_id ?? settlementAccountId(organisationId, currency);
  const payer = await readAccount(store, organisationId, from_account_id);
  if (payer === undefined || !mayInitiate(payer, userId)) return refuse("account_not_found", `${path}.from_account_id`);
  // The settlement account of a currency is opened by the first movement, so a withdrawal may come before it.
  if (type !== "withdrawal" && (await readAccount(store, organisationId, to_account_id)) === undefined)
    return refuse("account_not_found", `${path}.to_account_id`);
  return { type, from_account_id, to_account_id, amount, currency, reference, payee_name };
}
