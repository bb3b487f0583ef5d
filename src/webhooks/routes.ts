import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import {
  idField,
  listOf,
  pageOf,
  pageParameters,
  readPage,
  ref,
  sendExecuted,
  sendObject,
  sendRefusal,
  versionSeen,
  versionTagHeader,
} from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import type { DeliveryStatus } from "./deliveries.ts";
import { deliveryStatuses, listDeliveries, readDelivery, resendDelivery } from "./deliveries.ts";
import { presentDelivery } from "./delivery.ts";
import { presentEndpoint, readEndpoint } from "./endpoint.ts";
import type { EndpointDeps } from "./manage-endpoints.ts";
import { createEndpoint, deleteEndpoint, listEndpoints, rotateSecret, updateEndpoint } from "./manage-endpoints.ts";
import {
  createEndpointBody,
  deletedEndpointSchema,
  deliverySchema,
  endpointSchema,
  newEndpointSchema,
  rotateSecretBody,
  updateEndpointBody,
} from "./schema.ts";

/** Routes of webhook endpoints and deliveries. */
export function webhookRoutes(app: HttpServer, deps: EndpointDeps): void {
  for (const schema of [endpointSchema, newEndpointSchema, deletedEndpointSchema, deliverySchema]) app.addSchema(schema);
  const tags = ["Webhooks"];
  const params = Type.Object({ id: idField("webhookEndpoint") });
  const reads = { access: "key", scope: "webhooks:read" } as const;
  const writes = { access: "key", scope: "webhooks:write", sensitive: true } as const;

  app.post(
    "/v1/webhook-endpoints",
    {
      config: { ...writes, cost: 2, idempotent: "refused", problems: ["url_not_allowed", "too_many_webhook_endpoints"] },
      schema: {
        operationId: "createWebhookEndpoint",
        tags,
        summary: "Create a webhook endpoint",
        description:
          "Events from now on are sent to it, signed as Standard Webhooks says. The secret is shown once; it is not kept in replies, so this " +
          "operation takes no Idempotency-Key.",
        body: createEndpointBody,
        response: { 201: ref("NewWebhookEndpoint") },
      },
    },
    async (request, reply) => sendExecuted(reply, await createEndpoint(deps, askedBy(request), request.body)),
  );

  app.get(
    "/v1/webhook-endpoints",
    {
      config: reads,
      schema: {
        operationId: "listWebhookEndpoints",
        tags,
        summary: "List webhook endpoints",
        description: "All of the organisation, newest first. There are so few that one page has them all.",
        response: { 200: pageOf("WebhookEndpoint") },
      },
    },
    async (request, reply) => {
      const endpoints = await listEndpoints(deps.store, request.caller.principal.organisationId);
      const now = deps.clock.now();
      return sendObject(
        reply,
        listOf(
          endpoints.map((endpoint) => presentEndpoint(endpoint, now)),
          undefined,
        ),
      );
    },
  );

  app.get(
    "/v1/webhook-endpoints/:id",
    {
      config: { ...reads, sends: ["ETag"], problems: ["not_found"] },
      schema: {
        operationId: "getWebhookEndpoint",
        tags,
        summary: "Get a webhook endpoint",
        description: "Shows everything but the secret.",
        params,
        response: { 200: ref("WebhookEndpoint") },
      },
    },
    async (request, reply) => {
      const endpoint = await readEndpoint(deps.store, request.caller.principal.organisationId, request.params.id);
      if (endpoint === undefined) return sendRefusal(reply, refuse("not_found"));
      reply.header("etag", `"${endpoint.version}"`);
      return sendObject(reply, presentEndpoint(endpoint, deps.clock.now()));
    },
  );

  app.patch(
    "/v1/webhook-endpoints/:id",
    {
      config: { ...writes, problems: ["not_found", "url_not_allowed", "version_conflict"] },
      schema: {
        operationId: "updateWebhookEndpoint",
        tags,
        summary: "Change, enable or disable a webhook endpoint",
        description: "Effective for deliveries within a second. Enabling sends at once what waited for a retry.",
        params,
        headers: Type.Object({ "if-match": versionTagHeader }),
        body: updateEndpointBody,
        response: { 200: ref("WebhookEndpoint") },
      },
    },
    async (request, reply) => {
      const version = versionSeen(request.headers);
      return sendExecuted(reply, await updateEndpoint(deps, askedBy(request), request.params.id, request.body, version));
    },
  );

  app.delete(
    "/v1/webhook-endpoints/:id",
    {
      config: { ...writes, problems: ["not_found"] },
      schema: {
        operationId: "deleteWebhookEndpoint",
        tags,
        summary: "Delete a webhook endpoint",
        description: "Nothing more is sent to it, and its deliveries are taken away.",
        params,
        response: { 200: ref("DeletedWebhookEndpoint") },
      },
    },
    async (request, reply) => sendExecuted(reply, await deleteEndpoint(deps, askedBy(request), request.params.id)),
  );

  app.post(
    "/v1/webhook-endpoints/:id/rotate-secret",
    {
      config: { ...writes, idempotent: "refused", problems: ["not_found", "rotation_overlapping"] },
      schema: {
        operationId: "rotateWebhookSecret",
        tags,
        summary: "Give a webhook endpoint a new secret",
        description:
          "The new secret is shown once. Until the overlap ends each request is signed with both, so that the receiver can change over at " +
          "any time. While they overlap, only a rotation with an overlap of 0 goes through.",
        params,
        body: rotateSecretBody,
        response: { 200: ref("NewWebhookEndpoint") },
      },
    },
    async (request, reply) => sendExecuted(reply, await rotateSecret(deps, askedBy(request), request.params.id, request.body)),
  );

  app.get(
    "/v1/webhook-endpoints/:id/deliveries",
    {
      config: { ...reads, cost: 2, problems: ["not_found", "invalid_cursor"] },
      schema: {
        operationId: "listWebhookDeliveries",
        tags,
        summary: "List the deliveries of a webhook endpoint",
        description: "Newest first: what waits and what has ended, the latter for 30 days. `status=dead` finds what nobody took.",
        params,
        querystring: Type.Object(
          {
            ...pageParameters,
            status: Type.Optional(
              Type.Unsafe<DeliveryStatus>(Type.String({ enum: [...deliveryStatuses], description: "Only deliveries in this status." })),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 200: pageOf("WebhookDelivery") },
      },
    },
    async (request, reply) => {
      const endpoint = await readEndpoint(deps.store, request.caller.principal.organisationId, request.params.id);
      if (endpoint === undefined) return sendRefusal(reply, refuse("not_found"));
      const { limit, cursor } = readPage(request.query);
      const page = await listDeliveries(deps.store, endpoint.id, { status: request.query.status, limit, cursor });
      return page.ok ? sendObject(reply, listOf(page.items.map(presentDelivery), page.next)) : sendRefusal(reply, page);
    },
  );

  const deliveryParams = Type.Object({ id: idField("webhookEndpoint"), delivery_id: idField("webhookDelivery") });

  app.get(
    "/v1/webhook-endpoints/:id/deliveries/:delivery_id",
    {
      config: { ...reads, problems: ["not_found"] },
      schema: {
        operationId: "getWebhookDelivery",
        tags,
        summary: "Get a webhook delivery",
        description: "How often it was tried, and how that went.",
        params: deliveryParams,
        response: { 200: ref("WebhookDelivery") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const item = await readDelivery(deps.store, organisationId, request.params.id, request.params.delivery_id);
      return item === undefined ? sendRefusal(reply, refuse("not_found")) : sendObject(reply, presentDelivery(item));
    },
  );

  app.post(
    "/v1/webhook-endpoints/:id/deliveries/:delivery_id/resend",
    {
      config: { ...writes, idempotent: true, problems: ["not_found", "webhook_endpoint_disabled"] },
      schema: {
        operationId: "resendWebhookDelivery",
        tags,
        summary: "Send a webhook delivery again",
        description:
          "One that waits is tried now, and keeps its place and its count. One that has ended is sent again as another delivery, which " +
          "`resend_of` tells; that one does not wait for earlier events of its account. Answers with the delivery as it was when asked.",
        params: deliveryParams,
        response: { 202: ref("WebhookDelivery") },
      },
    },
    async (request, reply) =>
      sendExecuted(reply, await resendDelivery(deps, askedBy(request), request.params.id, request.params.delivery_id)),
  );
}
