import { hash } from "node:crypto";
import type { OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Item, Write } from "#storage/index.ts";
import type { IdempotencyClaim, Reply } from "./command.ts";

/** How long a reply is kept for replays, in seconds: 30 days. */
export const IDEMPOTENCY_SECONDS = 30 * 24 * 60 * 60;
export const IDEMPOTENCY_TABLE = "smartfinance-idempotency";

/** What a stored idempotency record means for a new claim. */
export type Replay =
  | { readonly kind: "none" }
  | { readonly kind: "reused" }
  | { readonly kind: "reply"; readonly reply: Reply }
  | KeptElsewhere;

/** A kept reply whose body has to be gotten before it can be given again: opened, or shown from the object that it showed. */
export type KeptElsewhere =
  | { readonly kind: "sealed"; readonly status: number; readonly sealed: JsonObject }
  | { readonly kind: "shown"; readonly status: number; readonly shows: string; readonly digest: string };

/** Seals and opens kept replies; the vault's part, handed in. */
export interface ReplyBox {
  /** Gets the key ready, so that sealing itself needs no waiting. Rejects when it cannot be had. */
  sealer(organisationId: OrganisationId, record: string): Promise<(body: string) => JsonObject>;
  open(organisationId: OrganisationId, record: string, sealed: JsonObject): Promise<string>;
}

/**
 * Shows a stored object again as it was when it was answered; the part of the room that answered it, handed in.
 * @param digest of the body that was answered, see `digestOf`
 * @throws StoreUnavailableError, the vault's errors among them; InvariantError when the object is not there
 */
export type ShowReply = (organisationId: OrganisationId, id: string, digest: string) => Promise<string>;

/** What a reply that is kept as a reference is recognised by: SHA-256 of its body, base64url. */
export function digestOf(body: string): string {
  return hash("sha256", body, "base64url");
}

/** Judges a claim by what is stored under its id. A record past its time counts as absent. */
export function judgeClaim(stored: Item | undefined, claim: IdempotencyClaim, at: number): Replay {
  if (stored === undefined || Number(stored.expires_at) * 1000 <= at) return { kind: "none" };
  if (stored.fingerprint !== claim.fingerprint) return { kind: "reused" };
  const status = Number(stored.status);
  if (stored.sealed_body !== undefined) return { kind: "sealed", status, sealed: stored.sealed_body as JsonObject };
  if (stored.shown !== undefined) return { kind: "shown", status, shows: String(stored.shown), digest: String(stored.digest) };
  return { kind: "reply", reply: { status, body: String(stored.body) } };
}

/** The write that keeps a reply, with its body or what that is sealed as. An expired record under the same id is replaced. */
export function keepReply(
  organisationId: OrganisationId,
  claim: IdempotencyClaim,
  reply: Reply,
  stored: Item | undefined,
  at: number,
  sealed: JsonObject | undefined,
  requestId: string | null,
): Write {
  const version = stored === undefined ? 0 : Number(stored.version);
  return {
    op: "put",
    table: IDEMPOTENCY_TABLE,
    item: {
      id: claim.id,
      organisation_id: organisationId,
      fingerprint: claim.fingerprint,
      // Proves, after a doubtful commit, that it was this request which kept the reply.
      kept_id: requestId,
      status: reply.status,
      ...keptBody(reply, sealed),
      created_at: at,
      expires_at: Math.floor(at / 1000) + IDEMPOTENCY_SECONDS,
      version: version + 1,
    },
    condition: version === 0 ? "absent" : { version },
  };
}

/** That a reply of the same request is kept under another id by then; nothing where it is so already. */
export function checkKept(id: string, claim: IdempotencyClaim, stored: Item | undefined, at: number): Write | undefined {
  if (judgeClaim(stored, claim, at).kind !== "none") return undefined;
  const version = stored === undefined ? 0 : Number(stored.version);
  return { op: "check", table: IDEMPOTENCY_TABLE, key: { hash: id }, condition: { version: version + 1 } };
}

/** As short as it can be without losing a byte, and never in clear what is sealed elsewhere. */
function keptBody({ shows, body }: Reply, sealed: JsonObject | undefined): JsonObject {
  if (shows !== undefined) return { shown: shows, digest: digestOf(body) };
  return sealed === undefined ? { body } : { sealed_body: sealed };
}
