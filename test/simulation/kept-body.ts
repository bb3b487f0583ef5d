import { createHash, createSecretKey } from "node:crypto";
import type { Id, OrganisationId } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";
import { transactions } from "#ledger/index.ts";
import { presentTransaction } from "#payments/present.ts";
import type { Item, Write } from "#storage/port.ts";
import type { Metadata, Sealed } from "#vault/index.ts";
import { createSealer } from "#vault/seal.ts";
import { mismatch } from "./journal.ts";

/** Reads the bodies of kept replies, which are sealed or left out where they show what is stored elsewhere. */
export interface KeptBodies {
  /** What was stored: data keys, and transactions as they were made. */
  learn(writes: readonly Write[]): void;
  of(reply: Item): string;
}

/** @param plaintextOf the key service's own knowledge of a wrapped key */
export function createKeptBodies(random: Random, plaintextOf: (wrapped: string) => Uint8Array): KeptBodies {
  const sealer = createSealer(random);
  const wrapped = new Map<string, string>();
  const made = new Map<string, Item>();

  function open(sealed: Sealed, organisation_id: string, table: string, record: string, field: string): string {
    const secret = createSecretKey(plaintextOf(wrapped.get(sealed.key_id) ?? ""));
    const dataKey = { id: sealed.key_id as Id<"dataKey">, organisationId: organisation_id as OrganisationId, secret, uses: 0 };
    return sealer.open(dataKey, { organisation_id, table, record, field }, sealed);
  }

  /** What is kept as a reference: the transaction as its own commit made it. What it says is compared with the model like every reply. */
  function ofReference({ shown, digest, organisation_id }: Item): string {
    const item = made.get(String(shown)) ?? mismatch("a kept reply refers to a transaction that nobody made", undefined, shown);
    const transaction = transactions.fromItem(item);
    const sealed = transaction.metadata as unknown as Sealed | null;
    const text = sealed === null ? "{}" : open(sealed, String(organisation_id), "smartfinance-transactions", String(shown), "metadata");
    const body = JSON.stringify(presentTransaction(transaction, JSON.parse(text) as Metadata));
    const got = createHash("sha256").update(body).digest("base64url");
    if (got !== digest) mismatch("a kept reply is not told by its digest", digest, body);
    return body;
  }

  return {
    learn(writes) {
      for (const write of writes) {
        if (write.op !== "put") continue;
        if (write.item.wrapped_key !== undefined) wrapped.set(String(write.item.id), String(write.item.wrapped_key));
        if (write.table === "smartfinance-transactions" && write.item.version === 1) made.set(String(write.item.id), write.item);
      }
    },
    of(reply) {
      const organisationId = String(reply.organisation_id);
      if (reply.shown !== undefined) return ofReference(reply);
      if (reply.sealed_body !== undefined)
        return open(reply.sealed_body as unknown as Sealed, organisationId, "smartfinance-idempotency", String(reply.id), "body");
      const body = String(reply.body);
      if (!body.startsWith('{"shown":')) return body;
      // A user: what is personal is kept sealed under the user's own key, the rest as it is shown.
      const { shown, profile } = JSON.parse(body) as { readonly shown: { readonly id: string }; readonly profile: Sealed };
      const personal = open(profile, organisationId, "smartfinance-users", shown.id, "profile");
      return JSON.stringify({ ...shown, ...(JSON.parse(personal) as object) });
    },
  };
}
