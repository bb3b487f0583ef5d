import { Type } from "typebox";
import { publicEventTypes } from "#events/index.ts";
import type { PublicEventType } from "#events/index.ts";
import { described, exampleId, idField, nullable, PLAIN_TEXT, timestampField } from "#http/index.ts";
import { deliveryStatuses } from "./deliveries.ts";
import { disabledReasons, MAX_ENDPOINTS } from "./endpoint.ts";
import { MAX_OVERLAP_SECONDS } from "./manage-endpoints.ts";

const typeField = Type.Unsafe<PublicEventType>(
  Type.String({ enum: [...publicEventTypes], description: "A type of event; see the `webhooks` section of this document." }),
);
const urlField = Type.String({
  minLength: 1,
  maxLength: 1000,
  pattern: PLAIN_TEXT,
  description:
    "Where events are sent to: https, on the public internet, on port 443 or above 1023, without user and password. Where the name leads " +
    "to is judged again at each delivery. Redirects are not followed.",
  examples: ["https://example.com/webhooks"],
});
const typesField = Type.Array(typeField, {
  minItems: 1,
  maxItems: publicEventTypes.length,
  description: "Which types of events are sent.",
  examples: [["transfer.posted", "hold.voided"]],
});
const descriptionField = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: PLAIN_TEXT,
  description: "Your own words for it.",
  examples: ["Ledger of the shop"],
});

const fields = {
  id: idField("webhookEndpoint"),
  object: Type.Literal("webhook_endpoint", { description: "Always `webhook_endpoint`." }),
  url: Type.String({ description: "Where events are sent to.", examples: ["https://example.com/webhooks"] }),
  description: nullable(Type.String(), "Your own words for it; null without any."),
  event_types: nullable(Type.Array(Type.String()), "Which types of events are sent; null for all, those of the future too."),
  status: Type.Enum(["enabled", "disabled"], {
    description:
      "What happens while it is disabled is not sent later; the list of events has it. What waited then goes on when it is enabled.",
  }),
  disabled_reason: nullable(
    Type.Enum([...disabledReasons]),
    "`by_request`; `gone`: it answered 410; `failing`: it took nothing for five days. null while it is enabled.",
  ),
  previous_secret_expires_at: nullable(timestampField, "Until when the secret before the last rotation signs too; null when it does not."),
  created_at: described(timestampField, "When it was made, RFC 3339, UTC."),
  updated_at: described(timestampField, "When it changed last, RFC 3339, UTC."),
  version: Type.Integer({ minimum: 1, description: "Counts the changes; the `ETag`." }),
};

const example = {
  id: exampleId("webhookEndpoint"),
  object: "webhook_endpoint",
  url: "https://example.com/webhooks",
  description: "Ledger of the shop",
  event_types: ["hold.voided", "transfer.posted"],
  status: "enabled",
  disabled_reason: null,
  previous_secret_expires_at: null,
  created_at: "2026-11-22T19:25:52.275Z",
  updated_at: "2026-11-22T19:25:52.275Z",
  version: 1,
};

export const endpointSchema = Type.Object(fields, {
  $id: "WebhookEndpoint",
  description: `Where events are sent to. An organisation has at most ${MAX_ENDPOINTS}.`,
  examples: [example],
});
export const newEndpointSchema = Type.Object(
  {
    ...fields,
    secret: Type.String({
      description: "Signs what is sent (Standard Webhooks): `whsec_` and the base64 of the key. Shown here and never again.",
    }),
  },
  {
    $id: "NewWebhookEndpoint",
    description: "A webhook endpoint with its secret.",
    examples: [{ ...example, secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }],
  },
);
export const deletedEndpointSchema = Type.Object(
  {
    id: idField("webhookEndpoint"),
    object: Type.Literal("webhook_endpoint", { description: "Always `webhook_endpoint`." }),
    deleted: Type.Literal(true, { description: "Always true." }),
  },
  {
    $id: "DeletedWebhookEndpoint",
    description: "A webhook endpoint that is gone.",
    examples: [{ id: exampleId("webhookEndpoint"), object: "webhook_endpoint", deleted: true }],
  },
);

export const deliverySchema = Type.Object(
  {
    id: idField("webhookDelivery"),
    object: Type.Literal("webhook_delivery", { description: "Always `webhook_delivery`." }),
    endpoint_id: idField("webhookEndpoint", "The endpoint it goes to."),
    event_id: idField("event", "The event; sent as `webhook-id`, the same at every attempt."),
    event_type: Type.String({ description: "The type of the event.", examples: ["transfer.posted"] }),
    object_id: Type.String({ description: "Id of the object the event is about.", examples: [exampleId("transaction")] }),
    status: Type.Enum([...deliveryStatuses], {
      description: "`pending`: due, or waiting for a retry or its turn; `delivered`: answered with 2xx; `dead`: given up.",
    }),
    attempts: Type.Integer({ minimum: 0, description: "How often it was sent. The tenth attempt is the last." }),
    response_status: nullable(Type.Integer(), "The HTTP status of the last answer; null when there was none."),
    failure: nullable(
      Type.String(),
      "Why the last attempt had no answer, such as `timed_out`, `connection_failed`, `tls_failed`, `address_not_allowed`; null otherwise.",
    ),
    latency_ms: nullable(Type.Integer(), "How long the last attempt took, in milliseconds; null before the first."),
    last_attempt_at: nullable(timestampField, "When the last attempt ended; null before the first."),
    next_attempt_at: nullable(
      timestampField,
      "When the next attempt comes, unless an earlier event of the same account is still waiting; null when none is set.",
    ),
    resend_of: nullable(idField("webhookDelivery"), "The delivery that this one repeats by request; null otherwise."),
    created_at: described(timestampField, "When it was queued, RFC 3339, UTC."),
  },
  {
    $id: "WebhookDelivery",
    description: "One event on its way to one endpoint. Kept for 30 days.",
    examples: [
      {
        id: exampleId("webhookDelivery"),
        object: "webhook_delivery",
        endpoint_id: exampleId("webhookEndpoint"),
        event_id: exampleId("event"),
        event_type: "transfer.posted",
        object_id: exampleId("transaction"),
        status: "delivered",
        attempts: 1,
        response_status: 204,
        failure: null,
        latency_ms: 38,
        last_attempt_at: "2026-11-22T19:25:52.420Z",
        next_attempt_at: null,
        resend_of: null,
        created_at: "2026-11-22T19:25:52.301Z",
      },
    ],
  },
);

export const createEndpointBody = Type.Object(
  {
    url: urlField,
    event_types: Type.Optional(nullable(typesField, "Which types of events are sent. Absent or null: all, those of the future too.")),
    description: Type.Optional(nullable(descriptionField, "Your own words for it.")),
  },
  { additionalProperties: false },
);

export const updateEndpointBody = Type.Object(
  {
    url: Type.Optional(urlField),
    event_types: Type.Optional(nullable(typesField, "Which types of events are sent; null: all, those of the future too.")),
    description: Type.Optional(nullable(descriptionField, "Your own words for it; null takes them away.")),
    status: Type.Optional(
      Type.Unsafe<"enabled" | "disabled">(
        Type.String({ enum: ["enabled", "disabled"], description: "`enabled` sends at once what waited for a retry." }),
      ),
    ),
  },
  { additionalProperties: false, minProperties: 1 },
);

export const rotateSecretBody = Type.Object(
  {
    overlap_seconds: Type.Integer({
      minimum: 0,
      maximum: MAX_OVERLAP_SECONDS,
      description: "How long both secrets sign, at most a week: each request then has two signatures. 0: the former one ends at once.",
      examples: [86400],
    }),
  },
  { additionalProperties: false },
);
