import { Type } from "typebox";
import { idField } from "#http/index.ts";
import type { JsonObject } from "#kernel/json.ts";

/** What the pages' own scripts send. No part of the API, so it is not in its description. */
const closed = { additionalProperties: false } as const;
const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });

const ceremony = {
  id: text(1_400),
  rawId: text(1_400),
  type: text(20),
  authenticatorAttachment: Type.Optional(Type.Union([text(40), Type.Null()])),
  clientExtensionResults: Type.Optional(Type.Object({}, { additionalProperties: true, maxProperties: 20 })),
};

/** `RegistrationResponseJSON` (WebAuthn Level 3, section 5.1.1). */
const registration = Type.Unsafe<JsonObject>(
  Type.Object(
    {
      ...ceremony,
      response: Type.Object(
        {
          clientDataJSON: text(4_000),
          attestationObject: text(40_000),
          transports: Type.Optional(Type.Array(text(40), { maxItems: 10 })),
          publicKeyAlgorithm: Type.Optional(Type.Integer()),
          publicKey: Type.Optional(text(4_000)),
          authenticatorData: Type.Optional(text(20_000)),
        },
        closed,
      ),
    },
    closed,
  ),
);

/** `AuthenticationResponseJSON`. */
const assertion = Type.Unsafe<JsonObject>(
  Type.Object(
    {
      ...ceremony,
      response: Type.Object(
        {
          clientDataJSON: text(4_000),
          authenticatorData: text(20_000),
          signature: text(4_000),
          userHandle: Type.Optional(Type.Union([Type.String({ maxLength: 100 }), Type.Null()])),
        },
        closed,
      ),
    },
    closed,
  ),
);

const proof = Type.Optional(
  Type.Union([
    Type.Object({ type: Type.Literal("passkey"), response: assertion }, closed),
    Type.Object({ type: Type.Union([Type.Literal("totp"), Type.Literal("recovery_code")]), code: text(64) }, closed),
  ]),
);

export const tokenBody = Type.Object({ token: Type.String({ maxLength: 100 }) }, closed);
export const nothingBody = Type.Object({}, closed);
export const addPasskeyBody = Type.Object({ response: registration, proof }, closed);
export const activateTotpBody = Type.Object({ id: idField("factor"), code: text(16), proof }, closed);
export const approvalBody = Type.Object({ response: assertion }, closed);
