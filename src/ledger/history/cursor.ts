import type { AccountId, TransactionId } from "#kernel/ids.ts";
import { isId } from "#kernel/ids.ts";
import type { LinkAddress } from "../chain.ts";

/** Where each account's walk goes on; an account that is absent has been walked to its end. */
export type Positions = ReadonlyMap<AccountId, LinkAddress>;

/** Positions as an opaque text. */
export function encodePositions(positions: Positions): string {
  const parts = [...positions].map(
    ([account, { number, transaction }]) => `${account.slice(4)}.${number.toString(36)}.${transaction.slice(4)}`,
  );
  return Buffer.from(parts.join(","), "latin1").toString("base64url");
}

/** @returns `undefined` when the text is not one `encodePositions` gave. */
export function decodePositions(cursor: string): Positions | undefined {
  const positions = new Map<AccountId, LinkAddress>();
  for (const part of Buffer.from(cursor, "base64url").toString("latin1").split(",")) {
    const [accountBody, numberText, transactionBody, ...rest] = part.split(".");
    const account = `acc_${accountBody}`;
    const transaction = `txn_${transactionBody}`;
    const number = /^[0-9a-z]{1,11}$/.test(numberText ?? "") ? Number.parseInt(numberText ?? "", 36) : Number.NaN;
    if (rest.length > 0 || !isId("account", account) || !isId("transaction", transaction)) return undefined;
    if (!Number.isSafeInteger(number) || number < 1) return undefined;
    positions.set(account, { number, transaction: transaction as TransactionId });
  }
  return positions.size === 0 ? undefined : positions;
}
