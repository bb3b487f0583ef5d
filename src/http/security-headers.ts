import type { FastifyReply } from "fastify";

/**
 * What every answer tells browsers, after the OWASP REST Security Cheat Sheet. Answers are data and never pages; the one
 * page there is (`docs.ts`) overwrites the policy with its own.
 */
const ALWAYS = {
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "x-frame-options": "DENY",
} as const;
const HSTS = "max-age=31536000; includeSubDomains";

/**
 * Writes the headers of every answer. One call a header: `reply.headers` costs twice as much, and this is on every request.
 * @param secure whether clients reach this server over TLS, its own or a proxy's: only then may HSTS be said (RFC 6797 section 7.2)
 */
export function createSecurityHeaders(secure: boolean): (reply: FastifyReply) => void {
  return (reply) => {
    reply.header("x-content-type-options", ALWAYS["x-content-type-options"]);
    reply.header("cache-control", ALWAYS["cache-control"]);
    reply.header("content-security-policy", ALWAYS["content-security-policy"]);
    reply.header("x-frame-options", ALWAYS["x-frame-options"]);
    if (secure) reply.header("strict-transport-security", HSTS);
  };
}

/** The same as lines of a head, for answers that are written by hand. */
export function securityHeaderLines(secure: boolean): string {
  const lines = Object.entries(ALWAYS).map(([name, value]) => `${name}: ${value}\r\n`);
  return lines.join("") + (secure ? `strict-transport-security: ${HSTS}\r\n` : "");
}
