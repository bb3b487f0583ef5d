import type { ReplyBox } from "#commit/index.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { Sealed, Vault } from "#vault/index.ts";

/** Seals kept replies under the organisation's data key, bound to their own record. */
export function replyBox(vault: Vault): ReplyBox {
  const binding = (organisation_id: OrganisationId, record: string) => ({
    organisation_id,
    table: "smartfinance-idempotency",
    record,
    field: "body",
  });
  return {
    async sealer(organisationId, record) {
      const dataKey = await vault.dataKey(organisationId);
      return (body) => ({ ...vault.seal(dataKey, binding(organisationId, record), body) });
    },
    async open(organisationId, record, kept) {
      const sealed = kept as unknown as Sealed;
      return vault.open(await vault.dataKeyById(organisationId, sealed.key_id), binding(organisationId, record), sealed);
    },
  };
}
