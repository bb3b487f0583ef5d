import { hash, timingSafeEqual } from "node:crypto";
import type { Clock } from "#kernel/clock.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Random } from "#kernel/random.ts";
import type { Vault } from "#vault/index.ts";

/** How long a challenge is good, ms. */
export const CHALLENGE_MS = 5 * 60_000;
const RANDOM_BYTES = 32;
const TIME_BYTES = 8;
const MAC_BYTES = 32;
/** How long a challenge is, bytes. */
export const CHALLENGE_BYTES = TIME_BYTES + RANDOM_BYTES + MAC_BYTES;

interface Deps {
  readonly vault: Vault;
  readonly clock: Clock;
}

/**
 * A challenge for whoever wants to sign in with a passkey: when it ends, random bytes, and a MAC over both by which it is known
 * again. So nothing is stored for visitors who ask and never answer; what is stored, once, is that a challenge was answered.
 */
export async function newChallenge(deps: Deps & { readonly random: Random }, organisationId: OrganisationId): Promise<Buffer> {
  const head = Buffer.alloc(TIME_BYTES + RANDOM_BYTES);
  head.writeBigUInt64BE(BigInt(deps.clock.now() + CHALLENGE_MS));
  head.set(deps.random.bytes(RANDOM_BYTES), TIME_BYTES);
  return Buffer.concat([head, await macOf(deps.vault, organisationId, head)]);
}

/** Whether this installation gave the challenge out, for this organisation, and it is still good. */
export async function isOwnChallenge(deps: Deps, organisationId: OrganisationId, challenge: Buffer): Promise<boolean> {
  if (challenge.length !== CHALLENGE_BYTES) return false;
  const head = challenge.subarray(0, TIME_BYTES + RANDOM_BYTES);
  const mac = await macOf(deps.vault, organisationId, head);
  return timingSafeEqual(mac, challenge.subarray(head.length)) && Number(head.readBigUInt64BE()) > deps.clock.now();
}

/** When a challenge of `isOwnChallenge` was given out, ms. */
export const givenOutAt = (challenge: Buffer): number => Number(challenge.readBigUInt64BE()) - CHALLENGE_MS;

/** The challenge that a passkey says it has signed; the signature is for others to check. */
export function challengeOf(response: JsonObject): Buffer | undefined {
  const inner = response.response;
  if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return undefined;
  const text = (inner as JsonObject).clientDataJSON;
  if (typeof text !== "string") return undefined;
  try {
    const client = JSON.parse(Buffer.from(text, "base64url").toString("utf8")) as { readonly challenge?: unknown } | null;
    const challenge = client?.challenge;
    return typeof challenge === "string" && challenge.length <= 2 * CHALLENGE_BYTES ? Buffer.from(challenge, "base64url") : undefined;
  } catch {
    return undefined;
  }
}

/** Under what it is remembered as answered. */
export const challengeDigest = (challenge: Uint8Array): string => hash("sha256", challenge, "hex");

async function macOf(vault: Vault, organisationId: OrganisationId, head: Uint8Array): Promise<Buffer> {
  const key = await vault.indexKey(organisationId);
  return Buffer.from(key.hmac("operator_sign_in", Buffer.from(head).toString("base64url")), "base64url");
}
