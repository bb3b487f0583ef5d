import { toTimestamp } from "#kernel/clock.ts";
import type { FactorId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import type { FactorDeps } from "./deps.ts";
import type { FactorStatus, FactorType, Subject } from "./factor.ts";
import type { FactorSet, StoredFactor } from "./factor-set.ts";
import { readSet } from "./factor-set.ts";
import { readSecrets } from "./factor-secret.ts";
import { maskAddress } from "./mask.ts";

/** A factor as everybody may see it: nothing secret. A type, not an interface, so that it is a JSON object. */
export type Factor = {
  readonly id: FactorId;
  readonly object: "factor";
  readonly type: FactorType;
  readonly status: FactorStatus;
  /** Passkeys: the key cannot leave its device, and whether it is backed up now. */
  readonly device_bound: boolean | null;
  readonly backed_up: boolean | null;
  readonly aaguid: string | null;
  readonly attestation: "none" | "packed" | null;
  /** Recovery codes: how many are left. */
  readonly codes_left: number | null;
  /** Sent codes: where to, as its owner recognises it. */
  readonly destination: string | null;
  readonly created_at: string;
  readonly last_used_at: string | null;
};

/** A factor as the API shows it. @param secret the address of a sent code */
export function presentFactor(factor: StoredFactor, secret: string | undefined): Factor {
  const passkey = factor.type === "passkey" ? factor : undefined;
  const sent = factor.type === "email_code" || factor.type === "sms_code";
  return {
    id: factor.id,
    object: "factor",
    type: factor.type,
    status: factor.status,
    device_bound: passkey === undefined ? null : !passkey.backup_eligible,
    backed_up: passkey?.backed_up ?? null,
    aaguid: passkey?.aaguid ?? null,
    attestation: passkey?.attestation ?? null,
    codes_left: factor.type === "recovery_code" ? factor.hashes.length : null,
    destination: sent && secret !== undefined ? maskAddress(factor.type, secret) : null,
    created_at: toTimestamp(factor.created_at),
    last_used_at: factor.last_used_at === null ? null : toTimestamp(factor.last_used_at),
  };
}

/** Pending factors that have run out are as good as gone. */
export function isAlive(factor: StoredFactor, now: number): boolean {
  return factor.status !== "pending" || !("expires_at" in factor) || factor.expires_at === null || factor.expires_at > now;
}

/** The factors of a subject, oldest first. Addresses of codes are opened and masked. */
export async function factorsOf(deps: Pick<FactorDeps, "store" | "vault" | "clock">, subject: Subject): Promise<readonly Factor[]> {
  const set = await readSet(deps.store, subject);
  return set === undefined ? [] : presentSet(deps, set);
}

/** The factors of a subject that are in use, of which nothing has to be opened; `created_at` in milliseconds. */
export async function factorsInUse(store: Store, subject: Subject): Promise<readonly Pick<StoredFactor, "id" | "created_at">[]> {
  return ((await readSet(store, subject))?.factors ?? []).filter(({ status }) => status === "active");
}

async function presentSet(deps: Pick<FactorDeps, "store" | "vault" | "clock">, set: FactorSet): Promise<readonly Factor[]> {
  const now = deps.clock.now();
  const alive = set.factors.filter((factor) => isAlive(factor, now));
  const sent = alive.filter(({ type }) => type === "email_code" || type === "sms_code").map(({ id }) => id);
  const secrets = await readSecrets(deps, set.organisationId, sent);
  return alive.map((factor) => presentFactor(factor, secrets.get(factor.id)));
}
