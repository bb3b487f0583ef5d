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

  function open(sealed: Sealed, organisation_id: string, table: string, record: string, field: string): string {
    const secret = createSecretKey(plaintextOf(wrapped.get(sealed.key_id) ?? ""));
    const dataKey = { id: sealed.key_id as Id<"dataKey">, organisationId: organisation_id as OrganisationId, secret, uses: 0 };
    return sealer.open(dataKey, { organisation_id, table, record, field }, sealed);
  }

  return {
    learn(writes) {
      for (const write of writes)
        if (write.op === "put" && write.item.wrapped_key !== undefined) wrapped.set(String(write.item.id), String(write.item.wrapped_key));
    },
    of(reply) {
      const organisationId = String(reply.organisation_id);
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
