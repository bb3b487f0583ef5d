import type { PayerProfile } from "#features/index.ts";
import { decodePayee, encodePayee, observe, readPayment, referenceCents } from "#features/index.ts";
import type { Account, Transaction } from "#ledger/index.ts";
import { availableAt } from "#ledger/index.ts";
import type { AssessInput, RiskContext, RiskDevice, RiskProfile } from "#risk/index.ts";
import { learn, referenceUnit, scoreFactors } from "#risk/index.ts";
import { profileIdOf } from "./judge.ts";

export interface LaterState {
  readonly payer: Account;
  readonly payee: Account;
  readonly profile: RiskProfile | undefined;
  readonly device: RiskDevice | undefined;
}

/**
 * What is remembered of a payment that waited and has posted now. That it was made counted when it was made; what it vouches for (payee,
 * device, place, amount) is learnt here, and nothing is counted a second time.
 * @param at when it posts, ms
 */
export function learntLater(
  transaction: Pick<Transaction, "amount" | "currency">,
  context: RiskContext,
  { payer, payee, profile, device }: LaterState,
  at: number,
): { readonly profile: RiskProfile; readonly incoming: string | null } | undefined {
  // Erased in between: nothing is to be known of this payer any more.
  if (profile === undefined) return undefined;
  const { amount, currency } = transaction;
  const input: AssessInput = { profile, ownerId: profileIdOf(payer), amount, currency, payeeAccountId: payee.id, context, at };
  const unit = referenceUnit(currency);
  const seen = readPayment({
    payer: input.ownerId,
    payee: payee.id,
    amount: referenceCents(amount, unit),
    at,
    device: context.device_id,
    ip: context.ip,
    latitude: context.latitude,
    longitude: context.longitude,
    country: context.country,
    openedAt: payer.createdAt,
    available: referenceCents(availableAt(payer, at), unit),
  });
  const incoming = payee.incoming === null ? undefined : decodePayee(payee.incoming);
  const after = observe({ payer: profile.features, payee: incoming, device: device?.features }, seen, "posted");
  const features = after.payer === undefined ? undefined : uncounted(after.payer, profile.features);
  return {
    // It is among the payments of the window since it was made.
    profile: { ...learn(scoreFactors(input), input, "posted", features), recent: profile.recent },
    // Only that it has been paid is new; a payee that was has nothing to learn.
    incoming:
      incoming === undefined || incoming.firstAt > 0 || after.payee === undefined
        ? payee.incoming
        : encodePayee({ ...incoming, mark: after.payee.mark, firstAt: after.payee.firstAt }),
  };
}

/** The profile with what the payment vouches for, and the counts of before: they had it already. */
function uncounted(after: PayerProfile, before: PayerProfile | undefined): PayerProfile {
  if (before === undefined) return after;
  const { minutes, short, hours, days, outliers } = before;
  const pairs = after.pairs.map((pair) => {
    const known = before.pairs.find(({ key }) => key === pair.key);
    return known === undefined ? pair : { ...known, since: pair.since, last: pair.last };
  });
  return { ...after, minutes, short, hours, days, outliers, pairs };
}
