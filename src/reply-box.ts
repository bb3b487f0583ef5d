import type { ReplyBox } from "#commit/index.ts";
import { openReply, sealReply } from "#vault/index.ts";
import type { Vault } from "#vault/index.ts";

/** Seals kept replies under the organisation's data key, bound to their own record. */
export function replyBox(vault: Vault): ReplyBox {
  return {
    async sealer(organisationId, record) {
      const dataKey = await vault.dataKey(organisationId);
      return (body) => sealReply(vault, dataKey, record, body);
    },
    open: (organisationId, record, kept) => openReply(vault, organisationId, record, kept),
  };
}
