export {
  API_KEYS_TABLE,
  apiKeyFromItem,
  apiKeyToItem,
  DEFAULT_RATE_LIMIT_PER_MINUTE,
  MAX_RATE_LIMIT_PER_MINUTE,
  presentApiKey,
} from "./api-key.ts";
export type { ApiKeyRecord, ApiKeyView } from "./api-key.ts";
export { createAuthenticator } from "./authenticate.ts";
export type { AuthenticationRefusal, Authenticator, AuthenticatorDeps, Principal } from "./authenticate.ts";
export { allows, MAX_ALLOWLIST_ENTRIES, parseAllowlist } from "./ip-allowlist.ts";
export type { IpMatcher, ParsedAllowlist } from "./ip-allowlist.ts";
export { issueApiKey } from "./issue-api-key.ts";
export type { IssueApiKeyInput } from "./issue-api-key.ts";
export { API_KEY_PATTERN, mintApiKey, parseApiKey } from "./key-text.ts";
export type { Environment, ParsedApiKey } from "./key-text.ts";
export { createRateLimiter } from "./rate-limit.ts";
export type { RateLimiter, RateLimitResult } from "./rate-limit.ts";
export { rateLimitHeaders } from "./rate-limit-headers.ts";
export { revokeApiKey } from "./revoke-api-key.ts";
export { accessRoutes } from "./routes.ts";
export { apiKeys } from "./manage-keys.ts";
export type { AccessDeps } from "./manage-keys.ts";
