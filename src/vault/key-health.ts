import type { Clock } from "#kernel/clock.ts";
import { isGood } from "#kernel/clock.ts";
import type { Kms } from "./kms.ts";
import { KmsKeyUnusableError } from "./kms.ts";
import type { Vault } from "./vault.ts";

/** Whether new work can be sealed: `ok`, or what a request that needs a key would be refused with. */
export type KeyHealth = "ok" | "kms_unavailable" | "key_blocked";

/** How long an answer of the service counts, ms: a probe of the process must not become a load on the service. */
const REMEMBERED_MS = 10_000;
/** How long after a blocked key was last wanted it is told, ms. */
const BLOCKED_MS = 60_000;

/**
 * Tells whether the key management service wraps and unwraps: it answers, its current key is enabled, and no data key was
 * wanted within the last minute whose wrapping key is blocked. Never rejects.
 */
export function createKeyHealth(deps: {
  readonly kms: Kms;
  readonly vault: Pick<Vault, "blockedAt">;
  readonly clock: Clock;
}): () => Promise<KeyHealth> {
  const { kms, vault, clock } = deps;
  let known: { readonly at: number; readonly answer: Promise<KeyHealth> } | undefined;

  const ask = async (): Promise<KeyHealth> => {
    try {
      const current = (await kms.describe?.())?.keys.find((key) => key.current);
      return current === undefined || current.state === "enabled" ? "ok" : "key_blocked";
    } catch (error) {
      return error instanceof KmsKeyUnusableError ? "key_blocked" : "kms_unavailable";
    }
  };

  return () => {
    const now = clock.now();
    if (vault.blockedAt !== undefined && isGood(vault.blockedAt + BLOCKED_MS, BLOCKED_MS, now)) return Promise.resolve("key_blocked");
    if (known === undefined || !isGood(known.at + REMEMBERED_MS, REMEMBERED_MS, now)) known = { at: now, answer: ask() };
    return known.answer;
  };
}
