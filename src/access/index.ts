export type { ApiKeyRecord, ApiKeyView } from "./api-key.ts";
export { MAX_RATE_LIMIT_PER_MINUTE } from "./api-key.ts";
export { apiKeys, readKey } from "./api-keys.ts";
export type { AccessDeps } from "./api-keys.ts";
export { createAuthenticator } from "./authenticate.ts";
export type {
  AuthenticationRefusal,
  Authenticator,
  AuthenticatorDeps,
  OrganisationAccess,
  OwnerAccess,
  Principal,
  PrincipalOrganisation,
} from "./authenticate.ts";
export { createFailureLimiter, networkOf } from "./failure-limit.ts";
export type { FailureLimiter } from "./failure-limit.ts";
export { allows, MAX_ALLOWLIST_ENTRIES, parseAllowlist } from "./ip-allowlist.ts";
export type { IpMatcher, ParsedAllowlist } from "./ip-allowlist.ts";
export { issueApiKey } from "./issue-api-key.ts";
export type { IssueApiKeyInput } from "./issue-api-key.ts";
export { API_KEY_PATTERN, mintApiKey } from "./key-text.ts";
export type { Environment, ParsedApiKey } from "./key-text.ts";
export { changeKey, createKey, rotateKey } from "./manage-keys.ts";
export type { KeyFields } from "./manage-keys.ts";
export { principalOf } from "./authenticate.ts";
export { isExpired } from "./api-key.ts";
export { createKeyUses } from "./key-uses.ts";
export type { KeyUses } from "./key-uses.ts";
export { createRateLimiter } from "./rate-limit.ts";
export type { RateLimiter, RateLimitResult } from "./rate-limit.ts";
export { exhaustedText, rateLimitFields } from "./rate-limit-headers.ts";
export { revokeApiKey } from "./revoke-api-key.ts";
export { accessRoutes } from "./routes.ts";
export { createSecurityLog, MAX_TOLD_PER_MINUTE } from "./security-log.ts";
export type { RefusedCall, SecurityLog } from "./security-log.ts";
