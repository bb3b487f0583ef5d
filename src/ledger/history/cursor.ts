import type { AccountId, TransactionId } from "#kernel/ids.ts";
import { isId } from "#kernel/ids.ts";
import type { LinkAddress } from "../chain.ts";

/** Where each account's walk goes on; null where it has come to its end. An account that is absent was not walked at all. */
export type Positions = ReadonlyMap<AccountId, LinkAddress | null>;

/** Positions as an opaque text. */
export function encodePositions(positions: Positions): string {
  const parts = [...positions].map(([account, address]) =>
    address === null ? account.slice(4) : `${account.slice(4)}.${address.number.toString(36)}.${address.transaction.slice(4)}`,
  );
  return Buffer.from(parts.join(","), "latin1").toString("base64url");
}

/** @returns `undefined` when the text is not one `encodePositions` gave. */
export function decodePositions(cursor: string): Positions | undefined {
  const positions = new Map<AccountId, LinkAddress | null>();
  for (const part of Buffer.from(cursor, "base64url").toString("latin1").split(",")) {
    const [accountBody, numberText, transactionBody, ...rest] = part.split(".");
    const account = `acc_${accountBody}`;
    if (!isId("account", account)) return undefined;
    if (numberText === undefined) {
      positions.set(account, null);
      continue;
    }
    const transaction = `txn_${transactionBody}`;
    const number = /^[0-9a-z]{1,11}$/.test(numberText) ? Number.parseInt(numberText, 36) : Number.NaN;
    if (rest.length > 0 || !isId("transaction", transaction)) return undefined;
    if (!Number.isSafeInteger(number) || number < 1) return undefined;
    positions.set(account, { number, transaction: transaction as TransactionId });
  }
  // A list whose accounts have all come to their ends gives no cursor.
  return [...positions.values()].some((address) => address !== null) ? positions : undefined;
}
