import type { Need, Working } from "#commit/index.ts";
import type { Notice } from "./code-sender.ts";
import { credentialKey, credentials } from "./credential.ts";
import type { FactorDeps } from "./deps.ts";
import type { Subject } from "./factor.ts";
import type { StoredFactor } from "./factor-set.ts";
import type { Address } from "./notify.ts";
import { addressesOf, sendNotices } from "./notify.ts";
import { dropSecret, secretNeeds } from "./pending.ts";

/** The records to load for `releaseFactor`. */
export function releaseNeeds({ organisationId }: Subject, factor: StoredFactor): readonly Need[] {
  if (factor.type === "recovery_code") return [];
  if (factor.type !== "passkey") return secretNeeds([factor.id]);
  return [{ collection: credentials, key: credentialKey(organisationId, factor.credential_id), mode: "write" }];
}

/** Takes away what lies beside a factor that leaves the set: its secret; a passkey's claim, so that it can be registered again. */
export function releaseFactor(work: Working, { organisationId }: Subject, factor: StoredFactor): void {
  if (factor.type === "passkey") {
    const credential = work.get(credentials, credentialKey(organisationId, factor.credential_id));
    if (credential !== undefined) work.put(credentials, { ...credential, owner: null, factorId: null, version: credential.version + 1 });
  } else if (factor.type !== "recovery_code") dropSecret(work, factor.id);
}

/** Whoever had an address is told there, too, that it was taken away: it may be the only place the owner looks at. Never rejects. */
export async function tellLost(deps: FactorDeps, subject: Subject, lost: readonly Address[], notice: Notice): Promise<void> {
  if (lost.length === 0) return;
  try {
    const others = await addressesOf(deps, subject);
    await sendNotices(
      deps,
      subject,
      lost.filter((one) => others.every(({ to }) => to !== one.to)),
      notice,
    );
  } catch (error) {
    deps.onError?.(error, "a notice was not sent");
  }
}
