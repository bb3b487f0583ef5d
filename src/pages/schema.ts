import { Type } from "typebox";
import { idField, nullable, timestampField } from "#http/index.ts";
import { PURPOSES, SESSION_RESULTS, SESSION_STATUSES } from "./session.ts";

const purposeField = Type.Union(
  PURPOSES.map((purpose) => Type.Literal(purpose)),
  {
    description:
      "`enrol`: the customer adds a passkey or an authenticator app. `approve`: the customer approves or declines what an authentication is for.",
  },
);

const sessionFields = {
  id: idField("hostedSession"),
  object: Type.Literal("hosted_session"),
  user_id: idField("user", "The customer the session is for."),
  purpose: purposeField,
  authentication_id: nullable(idField("authentication"), "What is to be approved; null for other purposes."),
  return_url: Type.String({ description: "Where the customer goes back to.", examples: ["https://app.example.com/done?order=4711"] }),
  status: Type.Union(
    SESSION_STATUSES.map((status) => Type.Literal(status)),
    { description: "`opened` once a browser has used the link, which works once. `completed`: see `result`." },
  ),
  result: nullable(
    Type.Union(SESSION_RESULTS.map((result) => Type.Literal(result))),
    "How it ended; null before. What was approved is told by the authentication, and what was enrolled by the user's factors.",
  ),
  created_at: timestampField,
  expires_at: timestampField,
  opened_at: nullable(timestampField, "When the link was used."),
  ended_at: nullable(timestampField, "When it was completed, or seen to have expired."),
};

export const hostedSessionSchema = Type.Object(sessionFields, {
  $id: "HostedSession",
  description: "One visit of one customer to the hosted pages. It lasts ten minutes, and five without anything being done in it.",
});

export const newHostedSessionSchema = Type.Object(
  {
    ...sessionFields,
    url: Type.String({
      description:
        "Open this in the customer's browser. It works once, and is shown once. Its secret is in the fragment, so it stays out of logs.",
      examples: ["https://pay.example.com/hosted#hps_01J00000000000000000000000.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
    }),
  },
  { $id: "NewHostedSession", description: "A hosted session with the link to its page." },
);

export const createSessionBody = Type.Object(
  {
    user_id: idField("user"),
    purpose: purposeField,
    authentication_id: Type.Optional(
      idField("authentication", "Needed for `approve`: an authentication of the user that waits for an answer."),
    ),
    return_url: Type.String({
      minLength: 8,
      maxLength: 1_000,
      description:
        "Where the customer goes back to: a URL whose origin is among the organisation's `pages_return_origins`. `hosted_session_id` and `result` are added to its query.",
      examples: ["https://app.example.com/done?order=4711"],
    }),
  },
  { additionalProperties: false },
);
