import type { Need, Working } from "#commit/index.ts";
import type { FactorId } from "#kernel/ids.ts";
import type { FactorSet } from "./factor-set.ts";
import { changedSet } from "./factor-set.ts";
import { factorSecrets, secretKey } from "./factor-secret.ts";
import { isAlive } from "./present-factor.ts";

/** Enrolments that nobody finished in time. */
export function expiredIn(set: FactorSet | undefined, at: number): readonly FactorId[] {
  return (set?.factors ?? []).filter((factor) => !isAlive(factor, at)).map(({ id }) => id);
}

/** The records to load for `dropExpired`. */
export function secretNeeds(ids: readonly FactorId[]): readonly Need[] {
  return ids.map((id) => ({ collection: factorSecrets, key: secretKey(id), mode: "write" }));
}

/** The set without those of `ids` that are still unfinished; their secrets go. */
export function dropExpired(work: Working, set: FactorSet, ids: readonly FactorId[], at: number): FactorSet {
  const gone = expiredIn(set, at).filter((id) => ids.includes(id));
  if (gone.length === 0) return set;
  for (const id of gone) dropSecret(work, id);
  return changedSet(set, { factors: set.factors.filter(({ id }) => !gone.includes(id)) }, at);
}

/** Takes a factor's secret out of the store, where it has one. */
export function dropSecret(work: Working, id: FactorId): void {
  const secret = work.get(factorSecrets, secretKey(id));
  if (secret !== undefined) work.put(factorSecrets, { ...secret, secret: null, version: secret.version + 1 });
}
