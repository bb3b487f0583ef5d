import { Type } from "typebox";
import { FINGERPRINT, idField, nullable, PLAIN_TEXT, TIME, timestampField } from "#http/index.ts";
import { ALL_SCOPES, SCOPES } from "#kernel/scopes.ts";
import type { Scope } from "#kernel/scopes.ts";
import { MAX_RATE_LIMIT_PER_MINUTE } from "./api-key.ts";
import { MAX_ALLOWLIST_ENTRIES } from "./ip-allowlist.ts";
import { MAX_OVERLAP_SECONDS } from "./rotate-api-key.ts";

const scopeField = Type.Unsafe<Scope>(
  Type.String({ enum: [...ALL_SCOPES], description: ALL_SCOPES.map((scope) => `\`${scope}\`: ${SCOPES[scope]}`).join("\n\n") }),
);
const nameField = Type.String({
  minLength: 1,
  maxLength: 100,
  pattern: PLAIN_TEXT,
  description: "What you call the key. Up to 100 characters, no control characters.",
});
const scopesField = (absent = "") =>
  Type.Array(scopeField, {
    minItems: 1,
    maxItems: ALL_SCOPES.length,
    description: `What the key may do. Only scopes that the caller has itself can be given.${absent}`,
  });
const limitField = (absent = "") =>
  Type.Integer({
    minimum: 1,
    maximum: MAX_RATE_LIMIT_PER_MINUTE,
    description: `At most what the caller has itself, or the organisation's default if that is more. Units in any 60 seconds; most operations cost one. A tenth of it, but at least 50, may be spent within one second.${absent}`,
  });
const endField = (absent: string) => Type.String({ pattern: TIME, description: `When the key ends by itself, RFC 3339. ${absent}` });
const allowlistField = Type.Array(Type.String({ minLength: 2, maxLength: 64 }), {
  maxItems: MAX_ALLOWLIST_ENTRIES,
  description:
    "Addresses or CIDR blocks that sensitive operations may come from: those that the list in docs/access.md names, " +
    "such as withdrawals, review decisions and managing keys. Empty: every address. The organisation's own list holds for every operation besides.",
});

const certificateField = (absent: string) =>
  Type.String({
    pattern: FINGERPRINT,
    description:
      "Binds the key to a client certificate: SHA-256 of its DER form in hexadecimal digits, upper or lower case, with or without the colons " +
      "that openssl prints. The key is then refused on every connection without it. Only where the server itself asks for client " +
      `certificates. ${absent}`,
    examples: ["5e".repeat(32)],
  });

const fields = {
  id: idField("apiKey"),
  object: Type.Literal("api_key"),
  organisation_id: idField("organisation"),
  name: Type.String({ description: "What you call the key." }),
  environment: Type.Enum(["test", "live"], { description: "Of the installation that made it; good there only." }),
  status: Type.Enum(["active", "expired", "revoked"], { description: "Only an `active` key is good for requests." }),
  scopes: Type.Array(scopeField, { description: "What the key may do." }),
  rate_limit_per_minute: Type.Integer({ description: "Units in any 60 seconds." }),
  burst_limit_per_second: Type.Integer({ description: "Units in any second." }),
  ip_allowlist: Type.Array(Type.String(), {
    description: "Addresses and CIDR blocks that sensitive operations may come from. Empty: every one.",
  }),
  certificate_sha256: nullable(
    Type.String(),
    "The client certificate that the key is bound to, 64 lower-case hexadecimal digits; null when it is bound to none.",
  ),
  owner_operator_id: nullable(
    idField("operator"),
    "The operator whose key it is: it can do no more than he can, and ends when he is disabled. Null: nobody's.",
  ),
  created_at: timestampField,
  expires_at: nullable(timestampField, "When the key ends by itself; null: never."),
  last_used_at: nullable(timestampField, "When the key was last good for a request, about a minute late; null when it never was."),
  previous_secret_expires_at: nullable(timestampField, "Until when the secret before the last rotation is still good."),
  revoked_at: nullable(timestampField, "When it was revoked; null while it is not."),
  version: Type.Integer({ description: "Counts the changes; the `ETag`." }),
};

export const apiKeySchema = Type.Object(fields, { $id: "ApiKey", description: "A key for calls of this API, without its secret." });
export const newApiKeySchema = Type.Object(
  { ...fields, secret: Type.String({ description: "The key itself. Shown here and never again." }) },
  { $id: "NewApiKey", description: "A key with its secret, as it is shown once." },
);

export const createKeyBody = Type.Object(
  {
    name: nameField,
    scopes: Type.Optional(scopesField(" Absent: all that the caller has.")),
    rate_limit_per_minute: Type.Optional(limitField(" Absent: the organisation's default.")),
    ip_allowlist: Type.Optional(allowlistField),
    certificate_sha256: Type.Optional(certificateField("Absent: bound to none.")),
    expires_at: Type.Optional(endField("Absent: never.")),
  },
  { additionalProperties: false },
);

export const changeKeyBody = Type.Object(
  {
    name: Type.Optional(nameField),
    scopes: Type.Optional(scopesField()),
    rate_limit_per_minute: Type.Optional(limitField()),
    ip_allowlist: Type.Optional(allowlistField),
    certificate_sha256: Type.Optional(
      nullable(certificateField("null: bound to none."), "The client certificate to bind the key to; null: none."),
    ),
    expires_at: Type.Optional(nullable(endField("null: never."), "When the key is to end by itself; null: never.")),
  },
  { additionalProperties: false, minProperties: 1 },
);

export const rotateKeyBody = Type.Object(
  {
    overlap_seconds: Type.Integer({
      minimum: 0,
      maximum: MAX_OVERLAP_SECONDS,
      description: "How long the old secret stays good beside the new one, at most a week. 0 ends all former secrets at once.",
    }),
  },
  { additionalProperties: false },
);
