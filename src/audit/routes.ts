import { Type } from "typebox";
import type { HttpServer } from "#http/index.ts";
import {
  idField,
  listOf,
  minorField,
  nullable,
  pageOf,
  pageParameters,
  readPage,
  ref,
  sendObject,
  sendRefusal,
  timeParameter,
  timestampField,
} from "#http/index.ts";
import { parseTimestamp } from "#kernel/clock.ts";
import { firstIdAt, isId, partitionOf } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { Store } from "#storage/index.ts";
import { mergePartitions } from "#storage/index.ts";
import { presentEvent } from "./event.ts";
import { eventTypes } from "./event-types.ts";

const eventSchema = Type.Object(
  {
    id: idField("event"),
    object: Type.Literal("event"),
    event_id: idField("event"),
    event_type: Type.Enum([...eventTypes]),
    organisation_id: idField("organisation"),
    api_key_id: nullable(idField("apiKey")),
    user_id: nullable(idField("user")),
    object_id: Type.String(),
    transaction_id: nullable(idField("transaction")),
    amount: nullable(minorField),
    currency: nullable(Type.String()),
    entries: nullable(Type.Array(Type.Object({ account_id: idField("account"), amount: minorField }))),
    details: nullable(Type.Record(Type.String(), Type.Unknown())),
    timestamp: timestampField,
    ip_address: nullable(Type.String()),
    user_agent: nullable(Type.String()),
    request_id: nullable(Type.String()),
    checksum: Type.String({
      pattern: "^[0-9a-f]{64}$",
      description: "SHA-256 of the RFC 8785 canonical JSON of all members but `checksum`, `id` and `object`.",
    }),
  },
  { $id: "Event", description: "An audit event. Written in the same commit as the change it tells of, never changed." },
);

/** Ids are drawn when a request arrives, events carry the time of the commit: how far the two may lie apart, ms. */
const SLACK_MS = 120_000;

/** Routes of the audit log. */
export function auditRoutes(app: HttpServer, deps: { readonly store: Store }): void {
  app.addSchema(eventSchema);
  const tags = ["Audit"];

  app.get(
    "/v1/audit/events",
    {
      config: { access: "key", problems: ["invalid_cursor"] },
      schema: {
        operationId: "listAuditEvents",
        tags,
        summary: "List audit events, newest first",
        querystring: Type.Object(
          {
            ...pageParameters,
            event_type: Type.Optional(Type.String({ enum: [...eventTypes] })),
            transaction_id: Type.Optional(idField("transaction")),
            created_from: timeParameter,
            created_to: timeParameter,
          },
          { additionalProperties: false },
        ),
        response: { 200: pageOf("Event") },
      },
    },
    async (request, reply) => {
      const { limit, cursor } = readPage(request.query);
      const { event_type, transaction_id, created_from, created_to } = request.query;
      if (cursor !== undefined && !isId("event", cursor)) return sendRefusal(reply, refuse("invalid_cursor", "cursor"));
      const from = timeOf(created_from);
      const to = timeOf(created_to);
      if (Number.isNaN(from)) return sendRefusal(reply, refuse("invalid_request", "created_from"));
      if (Number.isNaN(to)) return sendRefusal(reply, refuse("invalid_request", "created_to"));
      const page = await mergePartitions(deps.store, {
        table: "smartfinance-audit-logs",
        organisationId: request.caller.principal.organisationId,
        from: from === undefined ? undefined : firstIdAt("event", Math.max(0, from - SLACK_MS)),
        to: to === undefined ? undefined : firstIdAt("event", Math.max(0, to + SLACK_MS)),
        before: cursor,
        limit,
        keep: (item) =>
          (event_type === undefined || item.event_type === event_type) &&
          (transaction_id === undefined || item.transaction_id === transaction_id) &&
          (from === undefined || Date.parse(String(item.timestamp)) >= from) &&
          (to === undefined || Date.parse(String(item.timestamp)) <= to),
      });
      return sendObject(reply, listOf(page.items.map(presentEvent), page.next));
    },
  );

  app.get(
    "/v1/audit/events/:id",
    {
      config: { access: "key", problems: ["not_found"] },
      schema: {
        operationId: "getAuditEvent",
        tags,
        summary: "Get an audit event",
        params: Type.Object({ id: idField("event") }),
        response: { 200: ref("Event") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const { id } = request.params;
      const item = await deps.store.get("smartfinance-audit-logs", { hash: partitionOf(organisationId, id), range: id });
      return item === undefined ? sendRefusal(reply, refuse("not_found")) : sendObject(reply, presentEvent(item));
    },
  );
}

function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseTimestamp(text);
}
