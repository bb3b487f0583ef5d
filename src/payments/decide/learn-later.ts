import type { PayerProfile, Seen } from "#features/index.ts";
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
 * device, place, amount) is learnt here, and nothing is counted a second time. Its place is where the payer was when it was made.
 * @param at when it posts, ms
 */
export function learntLater(
  transaction: Pick<Transaction, "amount" | "currency" | "createdAt">,
  context: RiskContext,
  { payer, payee, profile, device }: LaterState,
  at: number,
): { readonly profile: RiskProfile; readonly incoming: string | null } | undefined {
  // Erased in between: nothing is to be known of this payer any more.
  if (profile === undefined) return undefined;
  const { amount, currency } = transaction;
  const input: AssessInput = { profile, ownerId: profileIdOf(payer), amount, currency, payeeAccountId: payee.id, context, at };
  const unit = referenceUnit(currency);
  const madeAt = Math.min(transaction.createdAt, at);
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
  const features =
    after.payer === undefined
      ? undefined
      : { ...uncounted(after.payer, profile.features), place: placeIn(profile.features, { ...seen, at: madeAt }) };
  return {
    // It is among the payments of the window since it was made.
    profile: {
      ...learn(scoreFactors(input), input, "posted", features),
      recent: profile.recent,
      lastLocation: locationIn(profile, { ...input, at: madeAt }),
    },
    // Only that it has been paid is new; a payee that was has nothing to learn.
    incoming:
      incoming === undefined || incoming.firstAt > 0 || after.payee === undefined
        ? payee.incoming
        : encodePayee({ ...incoming, mark: after.payee.mark, firstAt: after.payee.firstAt }),
  };
}

/** Where the payer was last: where a payment was made that is learnt now, unless something newer is known. */
function locationIn({ lastLocation }: RiskProfile, made: AssessInput): RiskProfile["lastLocation"] {
  if (lastLocation !== undefined && lastLocation.at > made.at) return lastLocation;
  return learn(scoreFactors(made), made, "posted", undefined).lastLocation;
}

/** The same as the features remember it. Payments without a place may have been made since: they are no place. */
function placeIn(before: PayerProfile | undefined, made: Seen): PayerProfile["place"] {
  if (before?.place !== undefined && before.place.at > made.at) return before.place;
  const then = before && { ...before, mark: Math.min(before.mark, made.at) };
  return observe({ payer: then, payee: undefined, device: undefined }, made, "posted").payer?.place;
}

/** The profile with what the payment vouches for, and the counts and times of payments of before: they had it already. */
function uncounted(after: PayerProfile, before: PayerProfile | undefined): PayerProfile {
  if (before === undefined) return after;
  const { paidAt, minutes, short, hours, days, outliers } = before;
  const pairs = after.pairs.map((pair) => {
    const known = before.pairs.find(({ key }) => key === pair.key);
    return known === undefined ? pair : { ...known, since: pair.since, last: Math.max(known.last, pair.since) };
  });
  return { ...after, paidAt, minutes, short, hours, days, outliers, pairs };
}
