import { Type } from "typebox";
import { factorBodies } from "#factors/index.ts";
import { described, EMAIL, exampleId, idField, nullable, PLAIN_TEXT, TIME, timestampField } from "#http/index.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { RoleName } from "#kernel/roles.ts";
import { ALL_ROLES, ROLES } from "#kernel/roles.ts";
import { ALL_SCOPES } from "#kernel/scopes.ts";
import { operatorStatuses } from "./operator.ts";
import { MAX_PASSWORD, MIN_PASSWORD } from "./password-rules.ts";
import { ABSOLUTE_MINUTES, IDLE_MINUTES } from "./session-policy.ts";
import { endReasons, sessionStatuses } from "./session.ts";

const at = "2026-11-22T19:25:52.275Z";
const closed = { additionalProperties: false } as const;

const roleField = Type.Unsafe<RoleName>(
  Type.String({
    enum: [...ALL_ROLES],
    description: ALL_ROLES.map((role) => `\`${role}\`: ${ROLES[role].about}`).join("\n\n"),
    examples: ["fraud_analyst"],
  }),
);
const rolesField = Type.Array(roleField, {
  minItems: 1,
  maxItems: ALL_ROLES.length,
  description:
    "What the operator may do. Only roles whose every scope the caller has itself can be given; see docs/operators.md for the table.",
});
const nameField = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: PLAIN_TEXT,
  description: "The operator's name. Stored encrypted.",
  examples: ["Grace Hopper"],
});
const emailField = Type.String({
  minLength: 3,
  maxLength: 254,
  pattern: EMAIL,
  description: "The e-mail address, by which the operator signs in. Unique within the organisation. Stored encrypted.",
  examples: ["grace@example.com"],
});
const exceptionField = Type.Object(
  {
    reason: Type.String({ minLength: 10, maxLength: 500, pattern: PLAIN_TEXT, description: "Why one person needs both." }),
    expires_at: Type.String({ pattern: TIME, description: "When it ends, RFC 3339, at most 92 days ahead." }),
  },
  {
    ...closed,
    description:
      "Lets one person hold roles that conflict, for a reason and a time. After it neither of them counts until one is taken away.",
    examples: [{ reason: "Stands in for the compliance officer, who is ill.", expires_at: "2026-12-22T00:00:00Z" }],
  },
);
const passwordField = (description: string) =>
  Type.String({ minLength: 1, maxLength: 1_024, description, examples: ["plum tractor 9 sings"] });

export const inviteBody = Type.Object(
  { name: nameField, email: emailField, roles: rolesField, exception: Type.Optional(exceptionField) },
  closed,
);
export const changeOperatorBody = Type.Object(
  {
    name: Type.Optional(nameField),
    roles: Type.Optional(rolesField),
    exception: Type.Optional(exceptionField),
  },
  { ...closed, minProperties: 1 },
);
export const acceptBody = Type.Object(
  {
    token: Type.String({
      minLength: 1,
      maxLength: 200,
      description: "The invitation's token.",
      examples: [`sfi_${exampleId("operator").slice(4)}.xTj7`],
    }),
    password: passwordField(
      `The new password: ${MIN_PASSWORD} to ${MAX_PASSWORD} characters of any kind, none of the common ones, not made of your name or address.`,
    ),
  },
  closed,
);
export const signInBody = Type.Object(
  {
    organisation_id: idField("organisation"),
    email: emailField,
    password: Type.Optional(passwordField("The password. Either this or `passkey`.")),
    passkey: Type.Optional(factorBodies.assertionField),
  },
  {
    ...closed,
    examples: [{ organisation_id: exampleId("organisation"), email: "grace@example.com", password: "plum tractor 9 sings" }],
  },
);
/** As `proofField`, for the factors that an operator may sign in with. */
export const verifyBody = Type.Object(
  {
    type: Type.Unsafe<"passkey" | "totp" | "recovery_code">(
      Type.String({ enum: ["passkey", "totp", "recovery_code"], description: "Which factor is proved.", examples: ["totp"] }),
    ),
    code: Type.Optional(factorBodies.codeField),
    response: Type.Optional(factorBodies.assertionField),
  },
  { ...closed, examples: [{ type: "totp", code: "287082" }] },
);
export const passwordBody = Type.Object(
  { current_password: passwordField("The password of now."), new_password: passwordField("The new one.") },
  closed,
);
export const policyBody = Type.Object(
  {
    idle_minutes: Type.Optional(
      Type.Integer({ minimum: IDLE_MINUTES.min, maximum: IDLE_MINUTES.max, description: "Minutes without a request.", examples: [15] }),
    ),
    absolute_minutes: Type.Optional(
      Type.Integer({ minimum: ABSOLUTE_MINUTES.min, maximum: ABSOLUTE_MINUTES.max, description: "Minutes in any case.", examples: [480] }),
    ),
  },
  { ...closed, minProperties: 1 },
);

const operatorFields = {
  id: idField("operator"),
  object: Type.Literal("operator"),
  status: Type.Enum([...operatorStatuses], { description: "Only an `active` operator can sign in." }),
  name: Type.String({ description: "The operator's name." }),
  email: Type.String({ description: "The e-mail address, as it was given." }),
  roles: Type.Array(roleField, { description: "The roles that were given." }),
  roles_in_force: Type.Array(roleField, { description: "Those that count: without conflicting ones whose exception has ended." }),
  scopes: Type.Array(Type.String({ enum: [...ALL_SCOPES] }), { description: "What the operator may do now." }),
  exception: nullable(
    Type.Object({
      reason: Type.String({ description: "Why one person holds both." }),
      expires_at: described(timestampField, "When it ends."),
      granted_by: nullable(Type.String(), "The person who granted it; null: whoever has the store itself."),
      granted_at: described(timestampField, "When it was granted."),
    }),
    "Why conflicting roles are held together, and until when; null where there are none.",
  ),
  invited_by: nullable(
    Type.String(),
    "The person who invited the operator: an operator or an API key; null: whoever has the store itself.",
  ),
  version: Type.Integer({ minimum: 1, description: "Counts the changes; the `ETag`." }),
  created_at: timestampField,
  updated_at: described(timestampField, "When it was changed last."),
  activated_at: nullable(timestampField, "When the invitation was accepted; null before."),
  disabled_at: nullable(timestampField, "When the operator was disabled; null while he is not."),
};
const operatorExample = {
  id: exampleId("operator"),
  object: "operator",
  status: "active",
  name: "Grace Hopper",
  email: "grace@example.com",
  roles: ["developer"],
  roles_in_force: ["developer"],
  scopes: [...ROLES.developer.scopes].sort(),
  exception: null,
  invited_by: exampleId("apiKey"),
  version: 2,
  created_at: at,
  updated_at: at,
  activated_at: at,
  disabled_at: null,
};
export const operatorSchema = Type.Object(operatorFields, {
  $id: "Operator",
  description: "Somebody of the organisation's staff. What an operator may do follows from his roles.",
  examples: [operatorExample],
});
export const invitedOperatorSchema = Type.Object(
  {
    ...operatorFields,
    invitation: Type.Object(
      {
        token: Type.String({ description: "Goes to the operator, who accepts with it. Shown here and never again." }),
        expires_at: described(timestampField, "Until when it can be accepted."),
      },
      { description: "What the operator comes with." },
    ),
  },
  {
    $id: "InvitedOperator",
    description: "An operator with his invitation, as it is shown once.",
    examples: [
      {
        ...operatorExample,
        status: "invited",
        scopes: [],
        activated_at: null,
        version: 1,
        invitation: { token: `sfi_${exampleId("operator").slice(4)}.q3Vt2b0Yc7s1kq0LrN8mE4wZ6uXh5aTgJ9dP_fHiOQc`, expires_at: at },
      },
    ],
  },
);

const browserOptions = Type.Unsafe<JsonObject>(
  Type.Object(
    {},
    {
      additionalProperties: true,
      description: "`PublicKeyCredentialRequestOptionsJSON` for `navigator.credentials.get`.",
      examples: [{ challenge: "xTj7-0Qv1sGk", rpId: "example.com", userVerification: "required" }],
    },
  ),
);
const sessionFields = {
  id: idField("operatorSession"),
  object: Type.Literal("session"),
  organisation_id: idField("organisation"),
  operator_id: idField("operator"),
  status: Type.Enum([...sessionStatuses], {
    description:
      "`enrolment_required`: good for nothing but enrolling the first factor. `second_factor_required`: good for nothing but proving one. " +
      "`ended`: signed out, ended by somebody, or run out.",
  }),
  current: Type.Boolean({ description: "Whether it is the one that asks." }),
  ip_address: Type.String({ description: "Where it began." }),
  user_agent: Type.String({ description: "The browser, as it called itself." }),
  created_at: timestampField,
  last_seen_at: described(timestampField, "The last request, up to a minute late."),
  idle_expires_at: nullable(timestampField, "When it ends without a further request; null once it has."),
  expires_at: described(timestampField, "When it ends in any case."),
  ended_at: nullable(timestampField, "When it was ended; null where it was not, or ran out."),
  end_reason: nullable(Type.Enum([...endReasons]), "Why it was ended."),
};
const sessionExample = {
  id: exampleId("operatorSession"),
  object: "session",
  organisation_id: exampleId("organisation"),
  operator_id: exampleId("operator"),
  status: "active",
  current: true,
  ip_address: "203.0.113.7",
  user_agent: "Mozilla/5.0",
  created_at: at,
  last_seen_at: at,
  idle_expires_at: at,
  expires_at: at,
  ended_at: null,
  end_reason: null,
};
export const sessionSchema = Type.Object(sessionFields, {
  $id: "Session",
  description: "A browser that an operator has signed in with.",
  examples: [sessionExample],
});
const currentFields = {
  ...sessionFields,
  operator: Type.Unsafe<unknown>({ $ref: "Operator#" }),
  second_factor: nullable(
    Type.Object({
      types: Type.Array(Type.Enum(["passkey", "totp", "recovery_code"]), { description: "What the operator can prove." }),
      public_key: nullable(browserOptions, "What a browser has signed by a passkey; null where there is none."),
    }),
    "What has to follow where the status is `second_factor_required`; null otherwise.",
  ),
};
export const currentSessionSchema = Type.Object(currentFields, {
  $id: "CurrentSession",
  description: "The session that asks, whose it is, and what has to follow before it is good for anything.",
  examples: [{ ...sessionExample, operator: operatorExample, second_factor: null }],
});
export const signInOptionsSchema = Type.Object(
  {
    object: Type.Literal("sign_in_options"),
    public_key: browserOptions,
    expires_at: described(timestampField, "Until when the answer is taken, once."),
  },
  { $id: "SignInOptions", description: "What a browser signs in with by a passkey." },
);
export const endedSessionSchema = Type.Object(
  { id: idField("operatorSession"), object: Type.Literal("session"), status: Type.Literal("ended") },
  {
    $id: "EndedSession",
    description: "A session that is over.",
    examples: [{ id: exampleId("operatorSession"), object: "session", status: "ended" }],
  },
);
export const signOutSchema = Type.Object(
  { object: Type.Literal("sign_out"), signed_out: Type.Literal(true, { description: "Always true." }) },
  { $id: "SignOut", description: "Every session of the operator is over.", examples: [{ object: "sign_out", signed_out: true }] },
);
export const sessionPolicySchema = Type.Object(
  {
    object: Type.Literal("session_policy"),
    idle_minutes: Type.Integer({ description: "Minutes without a request after which a session is over.", examples: [15] }),
    absolute_minutes: Type.Integer({ description: "Minutes after which it is over in any case.", examples: [480] }),
    version: Type.Integer({ minimum: 1, description: "Goes up with every change; 1 where nothing was ever set." }),
    updated_at: nullable(timestampField, "When it was changed last; null where nothing was ever set."),
  },
  {
    $id: "SessionPolicy",
    description: "How long sessions of operators last.",
    examples: [{ object: "session_policy", idle_minutes: 15, absolute_minutes: 480, version: 1, updated_at: null }],
  },
);
