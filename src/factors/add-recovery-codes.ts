import type { Asked, Executed } from "#commit/index.ts";
import { refused, replied } from "#commit/index.ts";
import { refuse } from "#kernel/problems.ts";
import { codeHash } from "./code-hash.ts";
import type { FactorDeps } from "./deps.ts";
import type { Subject } from "./factor.ts";
import type { RecoveryFactor } from "./factor-set.ts";
import { changedSet, factorSets, standingFactors } from "./factor-set.ts";
import { currentSet, decideOnSet } from "./on-set.ts";
import { presentFactor } from "./present-factor.ts";
import type { Proof } from "./proof.ts";
import { checkProof, demandProof } from "./proof.ts";
import { mintRecoveryCode, normaliseRecoveryCode, RECOVERY_CODES } from "./recovery-code.ts";
import { factorEvent } from "./use-factor.ts";

/**
 * Makes a new set of recovery codes, shown this once; the set before is void. Needs the proof of another factor: whoever found
 * one code must not make ten of it.
 */
export async function createRecoveryCodes(
  deps: FactorDeps,
  asked: Asked,
  subject: Subject,
  body: { readonly proof?: Proof },
): Promise<Executed> {
  const { requestId } = asked.actor;
  const id = deps.ids.next("factor");
  const codes = Array.from({ length: RECOVERY_CODES }, () => mintRecoveryCode(deps.random));
  const hashes = await Promise.all(codes.map((code) => codeHash(deps.vault, subject, id, normaliseRecoveryCode(code))));
  const proof = body.proof === undefined ? undefined : await checkProof(deps, subject, body.proof);
  const eventId = deps.ids.next("event");
  const executed = await decideOnSet(deps, asked, subject, [], (work, set, at) => {
    if (standingFactors(set).length === 0) return refused(refuse("no_factor"), requestId);
    const unproved = demandProof(work, set, proof, at, { strong: true });
    if (unproved !== undefined) return unproved;
    const factor: RecoveryFactor = { id, type: "recovery_code", status: "active", created_at: at, last_used_at: null, hashes };
    const now = currentSet(work, set);
    const former = now.factors.find(({ type }) => type === "recovery_code");
    const factors = [...now.factors.filter(({ type }) => type !== "recovery_code"), factor];
    work.put(factorSets, changedSet(now, { factors }, at));
    work.tell(factorEvent(eventId, "factor.added", subject, id, { type: "recovery_code", replaces: former?.id ?? null }));
    return work.outcome(replied(201, presentFactor(factor, undefined)));
  });
  if (!executed.ok || executed.reply.status >= 300) return executed;
  return { ...executed, reply: replied(201, { ...(JSON.parse(executed.reply.body) as object), codes }) };
}
