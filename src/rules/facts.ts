/** Kinds of variables: `number` is a CEL double, `int` a 64-bit integer. */
export type FactKind = "number" | "int" | "string" | "bool";
/** Names with their kinds. A name has at most one dot (`factors.velocity`). */
export type Variables = Readonly<Record<string, FactKind>>;
export type FactValue = number | bigint | string | boolean | null | undefined;
/**
 * What is known of one payment, by the names of the variables. What is absent, null or not finite is unknown. A group that is null by its
 * own name (`context`) was not kept: then it is unknown, too, what `has` says of its members.
 */
export type Facts = Readonly<Record<string, FactValue>>;

/** Facts in the form that programs of one language read. */
export type BoundFacts = Readonly<Record<string, unknown>>;

/** The members of the lists that rules ask about, by the lists' names. */
export type ListSnapshot = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * The variables every payment has, whatever features the engine computes. Amounts in minor units, scores and factors
 * from 0 to 1, times in UTC.
 */
export const paymentVariables = {
  amount: "int",
  currency: "string",
  /** `transfer`, `withdrawal` …; CEL has a word `type` of its own. */
  payment_type: "string",
  payer_account_id: "string",
  payer_user_id: "string",
  payee_account_id: "string",
  /** `<payer_account_id>:<payee_account_id>`, for lists of pairs. */
  pair: "string",
  /** The score that decides: the model's where one is promoted, the factors' otherwise. */
  score: "number",
  model_score: "number",
  "factors.velocity": "number",
  "factors.amount": "number",
  "factors.location": "number",
  "factors.device": "number",
  "factors.behaviour": "number",
  "context.device_id": "string",
  "context.ip": "string",
  "context.country": "string",
  "context.user_agent": "string",
  "context.latitude": "number",
  "context.longitude": "number",
} as const satisfies Variables;

/** The `pair` of a payment. */
export function pairOf(payerAccountId: string, payeeAccountId: string): string {
  return `${payerAccountId}:${payeeAccountId}`;
}
