import { createSecretKey } from "node:crypto";
import type { Id, OrganisationId } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";
import type { Item, Write } from "#storage/port.ts";
import type { Sealed } from "#vault/index.ts";
import { createSealer } from "#vault/seal.ts";

/** Reads the bodies of kept replies, which are sealed where they show what is sealed elsewhere. */
export interface KeptBodies {
  /** Data keys that were stored. */
  learn(writes: readonly Write[]): void;
  of(reply: Item): string;
}

/** @param plaintextOf the key service's own knowledge of a wrapped key */
export function createKeptBodies(random: Random, plaintextOf: (wrapped: string) => Uint8Array): KeptBodies {
  const sealer = createSealer(random);
  const wrapped = new Map<string, string>();
  return {
    learn(writes) {
      for (const write of writes)
        if (write.op === "put" && write.item.wrapped_key !== undefined) wrapped.set(String(write.item.id), String(write.item.wrapped_key));
    },
    of(reply) {
      if (reply.sealed_body === undefined) return String(reply.body);
      const sealed = reply.sealed_body as unknown as Sealed;
      const organisationId = String(reply.organisation_id) as OrganisationId;
      const secret = createSecretKey(plaintextOf(wrapped.get(sealed.key_id) ?? ""));
      const dataKey = { id: sealed.key_id as Id<"dataKey">, organisationId, secret, uses: 0 };
      const binding = { organisation_id: organisationId, table: "smartfinance-idempotency", record: String(reply.id), field: "body" };
      return sealer.open(dataKey, binding, sealed);
    },
  };
}
