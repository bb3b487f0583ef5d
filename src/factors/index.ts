export { consoleCodeSender, noCodeSender } from "./code-sender.ts";
export type { CodeMessage, CodeSender, Notice, NoticeMessage } from "./code-sender.ts";
export type { FactorDeps } from "./deps.ts";
export { categoriesOf } from "./factor.ts";
export type {
  Attempt,
  Checked,
  CodeType,
  Contact,
  FactorCategory,
  FactorType,
  FailedCheck,
  RelyingParty,
  Subject,
  SubjectKind,
} from "./factor.ts";
export { factorsInUse, factorsOf } from "./present-factor.ts";
export type { Factor } from "./present-factor.ts";
export { checkCode, checkPasskey, passkeyRequest, passkeyRequestWithResets } from "./check-factor.ts";
export type { PasskeyPolicy } from "./check-factor.ts";
export { FACTOR_APPENDS, factorNeeds, failedOutcome, useFactor } from "./use-factor.ts";
export { readProof } from "./proof.ts";
export type { Proof } from "./proof.ts";
export { challengeFactor, startPasskey } from "./challenges.ts";
export { addPasskey } from "./add-passkey.ts";
export { activateTotp, startTotp } from "./add-totp.ts";
export { createRecoveryCodes } from "./add-recovery-codes.ts";
export { removeFactor, unblockFactors } from "./remove-factor.ts";
export { prepareReset, refuseReset, refuseUserReset, resetsOf, resetUserFactors, wasReset, wasResetIn } from "./reset-factors.ts";
export type { Begun, ResetAsked, ResetGrounds } from "./reset-factors.ts";
export { createFactorNotices } from "./notify.ts";
export type { FactorNotices } from "./notify.ts";
export { factorSecrets } from "./factor-secret.ts";
export { factorRoutes } from "./routes.ts";
export { onlyApproved } from "./route-terms.ts";
export * as factorBodies from "./schema.ts";
