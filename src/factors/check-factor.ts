import type { JsonObject } from "#kernel/json.ts";
import { refuse } from "#kernel/problems.ts";
import { codeHash, digitsTyped, equalTexts } from "./code-hash.ts";
import type { FactorDeps } from "./deps.ts";
import type { Attempt, Checked, CodeType, Evidence, FailedCheck, Subject } from "./factor.ts";
import { attemptOf, categoriesOf } from "./factor.ts";
import type { FactorSet, PasskeyFactor, StoredFactor } from "./factor-set.ts";
import { activeFactors, readSet } from "./factor-set.ts";
import { readSecrets } from "./factor-secret.ts";
import { PasskeyError, requestOptions, verifyAssertion } from "./passkey.ts";
import { normaliseRecoveryCode } from "./recovery-code.ts";
import { matchingStep } from "./totp.ts";

/** What the caller demands of a passkey beside that it is a good one. */
export interface PasskeyPolicy {
  /** Only passkeys whose key cannot leave its device (WA-04). */
  readonly deviceBound?: boolean;
}

type CheckDeps = Pick<FactorDeps, "store" | "vault" | "ids" | "clock" | "relyingParty">;

const suits = ({ deviceBound = false }: PasskeyPolicy, passkey: PasskeyFactor): boolean => !deviceBound || !passkey.backup_eligible;

/**
 * What a browser needs to have this challenge signed by one of the subject's passkeys: `PublicKeyCredentialRequestOptionsJSON`.
 * The challenge is the caller's, who must keep it and take it once. `undefined` when the subject has no passkey that suits.
 */
export async function passkeyRequest(
  deps: Pick<FactorDeps, "store" | "relyingParty">,
  subject: Subject,
  challenge: Uint8Array,
  policy: PasskeyPolicy = {},
): Promise<JsonObject | undefined> {
  return (await passkeyRequestWithResets(deps, subject, challenge, policy))?.options;
}

/** The same with what `resetsOf` says, of one read: for what is to be told from what was begun before a reset. */
export async function passkeyRequestWithResets(
  deps: Pick<FactorDeps, "store" | "relyingParty">,
  subject: Subject,
  challenge: Uint8Array,
  policy: PasskeyPolicy,
): Promise<{ readonly options: JsonObject; readonly resets: number } | undefined> {
  const set = await readSet(deps.store, subject);
  const passkeys = activeFactors(set, "passkey").filter((one) => suits(policy, one));
  if (passkeys.length === 0) return undefined;
  return { options: await requestOptions(deps.relyingParty, challenge, passkeys), resets: set?.resets ?? 0 };
}

/**
 * Whether `response` (`AuthenticationResponseJSON`) is one of the subject's passkeys signing this very challenge: signature,
 * origin, relying party, presence and verification of the person. Writes nothing: hand the result to `useFactor`, also a
 * failed one. The refusal is `authentication_failed`, whatever was wrong.
 *
 * @param policy.askedAt when the challenge was given out, ms: answers that only came out of order are then not taken for those of a copy
 */
export async function checkPasskey(
  deps: CheckDeps,
  subject: Subject,
  challenge: Uint8Array,
  response: JsonObject,
  policy: PasskeyPolicy & { readonly askedAt?: number } = {},
): Promise<Checked | FailedCheck> {
  const attempt = attemptOf(deps, subject, "passkey");
  const set = await readSet(deps.store, subject);
  const passkey = activeFactors(set, "passkey").find(({ credential_id }) => credential_id === response.id);
  if (passkey === undefined || !suits(policy, passkey)) return failed(attempt);
  try {
    const assertion = await verifyAssertion(deps.relyingParty, subject, challenge, passkey, response);
    return checked(attempt, passkey, { kind: "passkey", ...assertion, askedAt: policy.askedAt });
  } catch (error) {
    if (error instanceof PasskeyError) return failed(attempt);
    throw error;
  }
}

/**
 * Whether `code` is one that the subject's factor of this type takes now. Writes nothing: hand the result to `useFactor`, also
 * a failed one. The refusal is `authentication_failed`, whatever was wrong.
 * @throws StoreUnavailableError and its family, when nothing can be read
 */
export async function checkCode(deps: CheckDeps, subject: Subject, type: CodeType, code: string): Promise<Checked | FailedCheck> {
  const attempt = attemptOf(deps, subject, type);
  const set = await readSet(deps.store, subject);
  if (set === undefined) return failed(attempt);
  if (type === "totp") return checkTotp(deps, set, attempt, code);
  const typed = type === "recovery_code" ? normaliseRecoveryCode(code) : digitsTyped(code);
  for (const factor of activeFactors(set, type)) {
    const hash = await codeHash(deps.vault, subject, factor.id, typed);
    if (takes(factor, hash, deps.clock.now())) return checked(attempt, factor, { kind: "code", hash });
  }
  return failed(attempt);
}

async function checkTotp(deps: CheckDeps, set: FactorSet, attempt: Attempt, code: string): Promise<Checked | FailedCheck> {
  const factors = activeFactors(set, "totp");
  const secrets = await readSecrets(
    deps,
    set.organisationId,
    factors.map(({ id }) => id),
  );
  for (const factor of factors) {
    const secret = secrets.get(factor.id);
    const step = secret === undefined ? undefined : matchingStep(secret, digitsTyped(code), deps.clock.now());
    if (step !== undefined) return checked(attempt, factor, { kind: "totp", step });
  }
  return failed(attempt);
}

function takes(factor: StoredFactor, hash: string, now: number): boolean {
  if (factor.type === "recovery_code") return factor.hashes.some((one) => equalTexts(one, hash));
  if (factor.type !== "email_code" && factor.type !== "sms_code") return false;
  return factor.sent !== null && factor.sent.expires_at > now && equalTexts(factor.sent.hash, hash);
}

function checked(attempt: Attempt, factor: StoredFactor, evidence: Evidence): Checked {
  const deviceBound = factor.type === "passkey" && !factor.backup_eligible;
  const { type } = factor;
  return { ok: true, factorId: factor.id, type, categories: categoriesOf(type), deviceBound, attempt, evidence };
}

/** An attempt that proved nothing. Also for rooms that find that out themselves, such as a challenge that is not theirs. */
export function failed(attempt: Attempt): FailedCheck {
  return { ...refuse("authentication_failed"), attempt };
}
