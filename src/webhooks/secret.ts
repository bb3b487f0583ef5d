import { createHmac, createSecretKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { invariant } from "#kernel/assert.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { Random } from "#kernel/random.ts";
import type { DataKey, Sealed, Vault } from "#vault/index.ts";

/*
 * Signatures of Standard Webhooks (specification 1.0.0): HMAC-SHA-256 over `<id>.<timestamp>.<body>`, written `v1,<base64>`.
 * A secret is written `whsec_<base64>`; the bytes behind the prefix are the key.
 */

const PREFIX = "whsec_";
/** The specification wants 24 to 64 bytes. */
const SECRET_BYTES = 32;

export const ENDPOINTS_TABLE = "smartfinance-webhook-endpoints";

/** A new secret, as it is shown once. */
export function mintSecret(random: Random): string {
  return PREFIX + Buffer.from(random.bytes(SECRET_BYTES)).toString("base64");
}

/** The key that a secret's text stands for. A KeyObject prints and serialises as nothing. */
export function signingKey(secret: string): KeyObject {
  invariant(secret.startsWith(PREFIX), "a webhook secret has its prefix");
  return createSecretKey(Buffer.from(secret.slice(PREFIX.length), "base64"));
}

/** The value of `webhook-signature`: one signature a key, divided by spaces. @param seconds Unix time */
export function signatures(keys: readonly KeyObject[], id: string, seconds: number, body: string): string {
  const signed = `${id}.${seconds}.${body}`;
  return keys.map((key) => `v1,${createHmac("sha256", key).update(signed).digest("base64")}`).join(" ");
}

type SecretField = "secret" | "previous_secret";

const binding = (organisation_id: OrganisationId, record: string, field: SecretField) => ({
  organisation_id,
  table: ENDPOINTS_TABLE,
  record,
  field,
});

/** Seals a secret for one field of one endpoint. Synchronous, for decisions. */
export function sealSecret(vault: Vault, dataKey: DataKey, endpointId: string, field: SecretField, secret: string): JsonObject {
  return { ...vault.seal(dataKey, binding(dataKey.organisationId, endpointId, field), secret) };
}

/** Opens a stored secret. @throws what `dataKeyById` and `open` throw */
export async function openSecret(
  vault: Vault,
  organisationId: OrganisationId,
  endpointId: string,
  field: SecretField,
  stored: JsonObject,
): Promise<string> {
  const sealed = stored as unknown as Sealed;
  return vault.open(await vault.dataKeyById(organisationId, sealed.key_id), binding(organisationId, endpointId, field), sealed);
}
