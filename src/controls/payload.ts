import { hash } from "node:crypto";
import { canonicalJson } from "#kernel/canonical-json.ts";
import type { ApprovalId, OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { DataKey, Sealed, Vault } from "#vault/index.ts";
import type { Approval } from "./approval.ts";
import { APPROVALS_TABLE } from "./approval.ts";
import type { Payload } from "./operation.ts";

/** The text that is hashed and sealed: RFC 8785, so that one payload has one text. */
export function payloadText({ operation, params, body, if_match }: Payload): string {
  return canonicalJson({ operation, params, body, if_match });
}

/**
 * What is approved and what is executed are compared by this: the lower-case hex SHA-256 of the canonical JSON of the payload and of
 * what it belongs to, so that one approval's hash never stands for another's, nor one revision's for the next.
 */
export function payloadHash(
  { id, organisationId, kind, revision }: Pick<Approval, "id" | "organisationId" | "kind" | "revision">,
  payload: Payload,
): string {
  const { operation, params, body, if_match } = payload;
  return hash(
    "sha256",
    canonicalJson({ approval_id: id, organisation_id: organisationId, kind, revision, operation, params, body, if_match }),
  );
}

const bindingOf = (organisationId: OrganisationId, id: ApprovalId) => ({
  organisation_id: organisationId,
  table: APPROVALS_TABLE,
  record: id,
  field: "payload",
});

/** Seals a payload for its record. */
export function sealPayload(vault: Vault, dataKey: DataKey, id: ApprovalId, payload: Payload): JsonObject {
  return { ...vault.seal(dataKey, bindingOf(dataKey.organisationId, id), payloadText(payload)) };
}

/** Opens an approval's payload. @throws StoreUnavailableError and its family when the key cannot be had. */
export async function openPayload(vault: Vault, { id, organisationId, payload }: Approval): Promise<Payload> {
  const sealed = payload as unknown as Sealed;
  const dataKey = await vault.dataKeyById(organisationId, sealed.key_id);
  return JSON.parse(vault.open(dataKey, bindingOf(organisationId, id), sealed)) as Payload;
}
