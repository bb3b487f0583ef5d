import type { Need, Working } from "#commit/index.ts";
import { decodePayee, encodePayee, observeFraud } from "#features/index.ts";
import type { OrganisationId, TransactionId } from "#kernel/ids.ts";
import type { RiskLabel } from "#labels/index.ts";
import type { Transaction } from "#ledger/index.ts";
import { accounts, readTransaction } from "#ledger/index.ts";
import { deviceIdOf, deviceIn, riskDevices, riskProfiles } from "#risk/index.ts";
import type { Store } from "#storage/index.ts";
import type { AccountFactsCache } from "./account-facts.ts";

/** What the command that confirms a fraud loads and writes besides, so that the profiles learn it in the same commit as the label. */
export interface FraudLesson {
  readonly needs: readonly Need[];
  /** @param at when it became known, ms */
  teach(work: Working, at: number): void;
}

/** What never changes of a transaction: whom its fraud concerns. */
type Parties = Pick<Transaction, "organisationId" | "fromAccountId" | "toAccountId" | "assessment">;

/** The lesson of a transaction that was read before. Everything it is judged on is loaded again with the commit. */
export async function fraudLesson(facts: AccountFactsCache, transaction: Parties): Promise<FraudLesson> {
  const { organisationId, fromAccountId, toAccountId, assessment } = transaction;
  const payer = await facts.of(organisationId, fromAccountId);
  // The settlement account of a blocked withdrawal may never have been opened.
  const payee = await facts.of(organisationId, toAccountId);
  const deviceId = assessment === null ? undefined : deviceIdOf(organisationId, deviceIn(assessment));
  const needs: Need[] = [];
  if (payer !== undefined) needs.push({ collection: riskProfiles, key: { hash: payer.profileId }, mode: "write" });
  if (payee !== undefined) needs.push({ collection: accounts, key: { hash: toAccountId }, mode: "write" });
  if (deviceId !== undefined) needs.push({ collection: riskDevices, key: { hash: deviceId }, mode: "write" });
  return {
    needs,
    teach(work, at) {
      const profile = payer === undefined ? undefined : work.get(riskProfiles, { hash: payer.profileId });
      const account = payee === undefined ? undefined : work.get(accounts, { hash: toAccountId });
      const device = deviceId === undefined ? undefined : work.get(riskDevices, { hash: deviceId });
      const incoming = account?.incoming ?? null;
      const state = {
        payer: profile?.features,
        payee: incoming === null ? undefined : decodePayee(incoming),
        device: device?.features,
      };
      const after = observeFraud(state, { at, device: device?.id });
      if (profile !== undefined) work.put(riskProfiles, { ...profile, features: after.payer, version: profile.version + 1 });
      if (account !== undefined && after.payee !== undefined)
        work.put(accounts, { ...account, incoming: encodePayee(after.payee), version: account.version + 1 });
      if (device !== undefined && after.device !== undefined)
        work.put(riskDevices, { ...device, features: after.device, version: device.version + 1 });
    },
  };
}

/** The same for a transaction that is only named; `undefined` where there is none, or where nothing was ever scored. */
export async function fraudLessonOf(
  store: Store,
  facts: AccountFactsCache,
  organisationId: OrganisationId,
  id: TransactionId,
): Promise<FraudLesson | undefined> {
  const transaction = await readTransaction(store, organisationId, id);
  return transaction?.assessment ? fraudLesson(facts, transaction) : undefined;
}

/** Whether a label that says fraud is news: each transaction teaches once, however often it is judged. */
export function isNewFraud(before: RiskLabel | undefined): boolean {
  return before === undefined || ![before.current, ...before.superseded].some(({ label }) => label === "fraud");
}
