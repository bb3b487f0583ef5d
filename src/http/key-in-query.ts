/** Names, without case and separators, under which people put API keys into URLs. */
const names: ReadonlySet<string> = new Set(["key", "apikey", "xapikey", "token", "accesstoken", "secret", "apisecret", "authorization"]);

/** Whether a query carries what looks like a credential: it would end in logs and histories (ASVS 14.2.1). */
export function queryHasKey(query: unknown): boolean {
  if (typeof query !== "object" || query === null) return false;
  for (const name of Object.keys(query)) {
    if (names.has(name.toLowerCase().replaceAll(/[-_.]/g, ""))) return true;
  }
  return false;
}
