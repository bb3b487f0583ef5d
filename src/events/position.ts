import type { OrganisationId } from "#kernel/ids.ts";
import type { FeedCursor } from "#storage/index.ts";
import type { DataKey, Sealed, Vault } from "#vault/index.ts";

/** A place in the feed: so many events behind a cursor of it. `undefined`: behind its beginning. */
export interface Position {
  readonly cursor: FeedCursor | undefined;
  readonly offset: number;
}

/*
 * The id of a streamed event is its place in the feed, sealed under the organisation's data key: a place tells how much other
 * organisations do, and a made-up one would make the server read from anywhere.
 */

const MAX_LENGTH = 512;
const FORM = /^(dek_[0-9A-Z]{26})\.([\w-]{16})\.([\w-]{1,400})$/;

const binding = (organisation_id: OrganisationId) => ({
  organisation_id,
  table: "smartfinance-audit-logs",
  record: "stream",
  field: "position",
});

const toUrl = (base64: string): string => Buffer.from(base64, "base64").toString("base64url");
const fromUrl = (text: string): string => Buffer.from(text, "base64url").toString("base64");

/** Seals a place for the clients of one organisation: printable, no spaces. */
export function sealPosition(vault: Vault, dataKey: DataKey, { cursor, offset }: Position): string {
  const { key_id, nonce, ciphertext } = vault.seal(dataKey, binding(dataKey.organisationId), `${offset} ${cursor ?? ""}`);
  return `${key_id}.${toUrl(nonce)}.${toUrl(ciphertext)}`;
}

/** Opens what `sealPosition` gave to this organisation; `undefined` for anything else. @throws StoreUnavailableError, KmsUnavailableError */
export async function openPosition(vault: Vault, organisationId: OrganisationId, text: string): Promise<Position | undefined> {
  const match = text.length > MAX_LENGTH ? null : FORM.exec(text);
  if (match === null) return undefined;
  const [, key_id = "", nonce = "", ciphertext = ""] = match;
  const sealed: Sealed = { key_id, encryption_algorithm: "AES-256-GCM", nonce: fromUrl(nonce), ciphertext: fromUrl(ciphertext) };
  let plain: string;
  try {
    plain = vault.open(await vault.dataKeyById(organisationId, key_id), binding(organisationId), sealed);
  } catch (error) {
    if (error instanceof Error && REFUSED.has(error.name)) return undefined;
    throw error;
  }
  const space = plain.indexOf(" ");
  const cursor = plain.slice(space + 1);
  return { offset: Number(plain.slice(0, space)), cursor: cursor === "" ? undefined : cursor };
}

/** The errors that say that the text is not one of ours, and not that something is out of order. */
const REFUSED: ReadonlySet<string> = new Set(["SealBrokenError", "DataKeyNotFoundError", "DataKeyBlockedError"]);
