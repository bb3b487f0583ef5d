import { Type } from "typebox";
import { described, exampleId, idField, nullable, PLAIN_TEXT, timestampField } from "#http/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { FactorType, SentCodeType } from "./factor.ts";
import { factorTypes } from "./factor.ts";
import { RECOVERY_CODES } from "./recovery-code.ts";
import type { ResetGrounds } from "./reset-factors.ts";
import { resetReasons } from "./reset-factors.ts";

const at = "2026-11-22T19:25:52.275Z";
const encoded = (maxLength: number, description: string) => Type.String({ minLength: 1, maxLength, description });

const ceremony = {
  id: encoded(1400, "The credential's id, base64url."),
  rawId: encoded(1400, "The same again."),
  type: Type.String({ minLength: 1, maxLength: 20, description: "Always `public-key`.", examples: ["public-key"] }),
  authenticatorAttachment: Type.Optional(nullable(Type.String({ minLength: 1, maxLength: 40 }), "As the browser gives it; not used.")),
  clientExtensionResults: Type.Optional(
    Type.Object({}, { additionalProperties: true, maxProperties: 20, description: "As the browser gives it; not used.", examples: [{}] }),
  ),
};
const clientDataJSON = encoded(4000, "base64url.");
const credentialId = "4UyGIcOsqPKGhAJx7jGdQnYJ1u2w8b1cUu5rxfSJqEo";
const sampleText = "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0";

const registrationField = Type.Unsafe<JsonObject>(
  Type.Object(
    {
      ...ceremony,
      response: Type.Object(
        {
          clientDataJSON,
          attestationObject: encoded(40_000, "base64url. Of the formats `none` and `packed`."),
          transports: Type.Optional(
            Type.Array(Type.String({ minLength: 1, maxLength: 40 }), { maxItems: 10, description: "Hints for later." }),
          ),
          publicKeyAlgorithm: Type.Optional(
            Type.Integer({ minimum: -70_000, maximum: 70_000, description: "Not used: the attestation has it." }),
          ),
          publicKey: Type.Optional(encoded(4000, "Not used: the attestation has it.")),
          authenticatorData: Type.Optional(encoded(20_000, "Not used: the attestation has it.")),
        },
        { additionalProperties: false, description: "What the authenticator made." },
      ),
    },
    {
      additionalProperties: false,
      description: "The answer of `navigator.credentials.create` as JSON (WebAuthn Level 3, `RegistrationResponseJSON`).",
      examples: [
        {
          id: credentialId,
          rawId: credentialId,
          type: "public-key",
          clientExtensionResults: {},
          response: { clientDataJSON: sampleText, attestationObject: "o2NmbXRkbm9uZQ", transports: ["internal"] },
        },
      ],
    },
  ),
);

export const assertionField = Type.Unsafe<JsonObject>(
  Type.Object(
    {
      ...ceremony,
      response: Type.Object(
        {
          clientDataJSON,
          authenticatorData: encoded(20_000, "base64url."),
          signature: encoded(4000, "base64url."),
          userHandle: Type.Optional(nullable(Type.String({ minLength: 1, maxLength: 100 }), "base64url; the id of the passkey's owner.")),
        },
        { additionalProperties: false, description: "What the authenticator signed." },
      ),
    },
    {
      additionalProperties: false,
      description: "The answer of `navigator.credentials.get` as JSON (WebAuthn Level 3, `AuthenticationResponseJSON`); for `passkey`.",
      examples: [
        {
          id: credentialId,
          rawId: credentialId,
          type: "public-key",
          clientExtensionResults: {},
          response: { clientDataJSON: sampleText, authenticatorData: "SZYN5YgOjGh0", signature: "MEUCIQDR" },
        },
      ],
    },
  ),
);

export const codeField = Type.String({
  minLength: 1,
  maxLength: 40,
  pattern: PLAIN_TEXT,
  description: "The code as it is shown, sent or written down.",
  examples: ["287082"],
});

/** A proof of a factor, as requests carry it. */
export const proofField = Type.Object(
  {
    type: Type.Unsafe<FactorType>(Type.String({ enum: [...factorTypes], description: "Which factor is proved.", examples: ["totp"] })),
    code: Type.Optional(codeField),
    response: Type.Optional(assertionField),
  },
  {
    additionalProperties: false,
    description:
      "Shows that a factor which is there already is at hand: a `code`, or for `passkey` the `response` to a challenge of " +
      "`POST /v1/users/{id}/factors/challenge`. Needed as soon as the user has a factor.",
    examples: [{ type: "totp", code: "287082" }],
  },
);

const userNameField = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: 64,
    pattern: PLAIN_TEXT,
    description: "What the authenticator shows the person to tell accounts apart. Not stored; the user's id where absent.",
    examples: ["ada@example.com"],
  }),
);

const closed = { additionalProperties: false } as const;
export const passkeyOptionsBody = Type.Object(
  {
    user_name: userNameField,
    device_bound: Type.Optional(
      Type.Boolean({
        description: "The new passkey's key must not be able to leave its device. Passkeys that are synced are refused then.",
        examples: [false],
      }),
    ),
  },
  closed,
);
export const addPasskeyBody = Type.Object({ response: registrationField, proof: Type.Optional(proofField) }, closed);
export const startTotpBody = Type.Object({ user_name: userNameField }, closed);
export const activateBody = Type.Object({ code: codeField, proof: Type.Optional(proofField) }, closed);
export const proofBody = Type.Object({ proof: Type.Optional(proofField) }, closed);
export const startCodeBody = Type.Object(
  {
    type: Type.Unsafe<SentCodeType>(
      Type.String({ enum: ["email_code", "sms_code"], description: "What codes are sent by.", examples: ["email_code"] }),
    ),
    destination: Type.String({
      minLength: 3,
      maxLength: 254,
      pattern: PLAIN_TEXT,
      description: "An e-mail address, or a telephone number in E.164. Stored encrypted.",
      examples: ["ada@example.com"],
    }),
  },
  { additionalProperties: false, examples: [{ type: "email_code", destination: "ada@example.com" }] },
);

const id = exampleId("factor");
const factorFields = {
  id: idField("factor"),
  object: Type.Literal("factor"),
  type: Type.Enum([...factorTypes], { description: "What the factor is." }),
  status: Type.Enum(["pending", "active", "flagged"], {
    description:
      "`pending`: it waits for its first code and proves nothing. `flagged`: its counter went back, so that a copy of the passkey may " +
      "exist; it is refused for good.",
  }),
  device_bound: nullable(Type.Boolean(), "Passkeys: whether the key cannot leave its device (WebAuthn: it is not backup eligible)."),
  backed_up: nullable(Type.Boolean(), "Passkeys: whether the key was backed up when it was used last."),
  aaguid: nullable(Type.String(), "Passkeys: the model of the authenticator, as it says."),
  attestation: nullable(Type.Enum(["none", "packed"]), "Passkeys: the kind of statement it was registered with."),
  codes_left: nullable(Type.Integer(), "Recovery codes: how many are not used yet."),
  destination: nullable(Type.String(), "Sent codes: where to, most of it hidden."),
  created_at: described(timestampField, "When it was made, RFC 3339, UTC."),
  last_used_at: nullable(timestampField, "When it was accepted last; null before."),
};
const example = {
  id,
  object: "factor",
  type: "passkey",
  status: "active",
  device_bound: true,
  backed_up: false,
  aaguid: "adce0002-35bc-c60a-648b-0b25f1f05503",
  attestation: "none",
  codes_left: null,
  destination: null,
  created_at: at,
  last_used_at: null,
};
const plain = { ...example, device_bound: null, backed_up: null, aaguid: null, attestation: null };

/** A factor as the API shows it. */
export const factorSchema = Type.Object(factorFields, {
  $id: "Factor",
  description: "Something by which a user shows who they are.",
  examples: [example],
});
export const newTotpSchema = Type.Object(
  {
    ...factorFields,
    expires_at: described(timestampField, "Until when its first code has to come."),
    secret: Type.String({ description: "The secret, base32. Shown here and never again." }),
    uri: Type.String({ description: "The same as an `otpauth://` URI, which authenticator apps read from a QR code." }),
  },
  {
    $id: "NewTotp",
    description: "A TOTP (RFC 6238: SHA-1, six digits, 30 seconds) with its secret.",
    examples: [
      {
        ...plain,
        type: "totp",
        status: "pending",
        expires_at: at,
        secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
        uri: "otpauth://totp/SmartFinance:ada%40example.com?issuer=SmartFinance&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
      },
    ],
  },
);
export const newRecoveryCodesSchema = Type.Object(
  {
    ...factorFields,
    codes: Type.Array(Type.String(), { description: "The codes. Shown here and never again." }),
  },
  {
    $id: "NewRecoveryCodes",
    description: `${RECOVERY_CODES} codes that work once each.`,
    examples: [{ ...plain, type: "recovery_code", codes_left: RECOVERY_CODES, codes: ["7G3K-9QWD-V0ZT-41XN"] }],
  },
);
export const newCodeFactorSchema = Type.Object(
  { ...factorFields, expires_at: described(timestampField, "Until when its first code has to come.") },
  {
    $id: "NewCodeFactor",
    description: "An address that codes are sent to; the first is on its way.",
    examples: [{ ...plain, type: "email_code", status: "pending", destination: "a•••@example.com", expires_at: at }],
  },
);
export const sentCodeSchema = Type.Object(
  {
    object: Type.Literal("sent_code"),
    factor_id: idField("factor"),
    type: Type.Enum(["email_code", "sms_code"], { description: "What it was sent by." }),
    expires_at: described(timestampField, "Until when the code is good."),
  },
  {
    $id: "SentCode",
    description: "A code is on its way; the one before is void.",
    examples: [{ object: "sent_code", factor_id: id, type: "email_code", expires_at: at }],
  },
);
const browserOptions = (description: string) =>
  Type.Unsafe<JsonObject>(
    Type.Object(
      {},
      {
        additionalProperties: true,
        description,
        examples: [{ challenge: "xTj7-0Qv1sGk", rpId: "example.com", userVerification: "required" }],
      },
    ),
  );
export const passkeyOptionsSchema = Type.Object(
  {
    object: Type.Literal("passkey_options"),
    public_key: browserOptions("`PublicKeyCredentialCreationOptionsJSON` for `navigator.credentials.create`."),
    expires_at: described(timestampField, "Until when the answer is taken, once."),
  },
  { $id: "PasskeyOptions", description: "What a browser makes a passkey from." },
);
export const factorChallengeSchema = Type.Object(
  {
    object: Type.Literal("factor_challenge"),
    public_key: browserOptions("`PublicKeyCredentialRequestOptionsJSON` for `navigator.credentials.get`."),
    expires_at: described(timestampField, "Until when the answer is taken, once."),
  },
  { $id: "FactorChallenge", description: "What a browser has signed by a passkey, for a `proof`." },
);
export const removedFactorSchema = Type.Object(
  { id: idField("factor"), object: Type.Literal("factor"), deleted: Type.Literal(true, { description: "Always true." }) },
  { $id: "RemovedFactor", description: "A factor that is gone.", examples: [{ id, object: "factor", deleted: true }] },
);
/** For users and operators alike. */
export const resetBody = Type.Object(
  {
    reason_code: Type.Unsafe<ResetGrounds["reason_code"]>(
      Type.String({ enum: [...resetReasons], description: "What has become of the factors. Kept in the audit log." }),
    ),
    attachment_ref: Type.String({
      minLength: 1,
      maxLength: 200,
      pattern: PLAIN_TEXT,
      description: "Your own name of the record of how you identified the person; no personal data. Kept in the audit log.",
      examples: ["DMS-2026-4711"],
    }),
  },
  { additionalProperties: false, examples: [{ reason_code: "lost", attachment_ref: "DMS-2026-4711" }] },
);
export const factorLockSchema = Type.Object(
  { object: Type.Literal("factor_lock"), blocked: Type.Boolean({ description: "Whether attempts are refused unseen." }) },
  { $id: "FactorLock", description: "Whether a user's attempts are looked at.", examples: [{ object: "factor_lock", blocked: false }] },
);
