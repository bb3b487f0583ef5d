import { Type } from "typebox";
import type { Caller, HttpServer } from "#http/index.ts";
import {
  described,
  exampleId,
  idField,
  listOf,
  minorField,
  nullable,
  pageOf,
  pageParameters,
  readPage,
  readTimes,
  ref,
  sendObject,
  sendRefusal,
  timeParameter,
  timestampField,
} from "#http/index.ts";
import type { Clock } from "#kernel/clock.ts";
import { listEndId, oldestIdOf } from "#kernel/id-times.ts";
import { isId, partitionOf } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Store } from "#storage/index.ts";
import { mergePartitions } from "#storage/index.ts";
import type { Actor } from "./event.ts";
import { presentEvent } from "./event.ts";
import { eventTypes } from "./event-types.ts";

const eventSchema = Type.Object(
  {
    id: idField("event"),
    object: Type.Literal("event"),
    event_id: idField("event", "The same as `id`; the name under which the checksum covers it."),
    event_type: Type.Enum([...eventTypes], { description: "What happened. The list may grow: take an unknown one as news." }),
    organisation_id: idField("organisation", "Whose event it is."),
    api_key_id: nullable(idField("apiKey"), "The key that acted; null for what the installation did itself."),
    operator_id: Type.Optional(idField("operator", "The operator who acted; present only where one did, as the checksum covers it.")),
    user_id: nullable(idField("user"), "The customer concerned; null when none is."),
    object_id: Type.String({ description: "Id of the object that changed, of whatever kind." }),
    transaction_id: nullable(idField("transaction"), "The transaction concerned; null when none is."),
    amount: nullable(minorField, "The amount concerned, in minor units; null when none is."),
    currency: nullable(Type.String(), "ISO 4217 code of the amount; null without one."),
    entries: nullable(
      Type.Array(
        Type.Object({
          account_id: idField("account", "The account the entry was posted on."),
          amount: described(minorField, "Signed, in minor units: a debit is negative."),
        }),
      ),
      "The ledger entries of this change, from which all balances can be added up; null where no money moved.",
    ),
    details: nullable(
      Type.Record(Type.String(), Type.Unknown()),
      "Further facts, by the type of event; null without any. Never personal data, never a secret.",
    ),
    version: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: "The version of the object after the change; present where the object has versions, as the checksum covers it.",
      }),
    ),
    changes: Type.Optional(
      Type.Array(
        Type.Object({
          object_id: Type.String({ description: "Id of an object that this change touched." }),
          version: Type.Integer({ minimum: 1, description: "The version of it with this change." }),
          set: Type.Record(Type.String(), Type.Unknown(), {
            description: "What of it is another than before, null for what is gone: the last values of all events are what is stored.",
          }),
        }),
        {
          description:
            "What the change left of objects on which money or access depends, as far as amount and entries do not say it; " +
            "present where there is any, as the checksum covers it.",
        },
      ),
    ),
    timestamp: described(timestampField, "When the change was committed, RFC 3339, UTC."),
    ip_address: nullable(Type.String(), "The address the request came from; null for what the installation did itself."),
    user_agent: nullable(Type.String(), "The `User-Agent` of the request, up to 256 characters; null without one."),
    request_id: nullable(Type.String(), "The `X-Request-Id` of the request; null for what the installation did itself."),
    checksum: Type.String({
      pattern: "^[0-9a-f]{64}$",
      description: "SHA-256 of the RFC 8785 canonical JSON of all members but `checksum`, `id`, `object` and `proof`.",
    }),
    proof: Type.Optional(
      nullable(
        Type.Object({
          index: Type.Integer({ minimum: 0, description: "Which leaf of the audit log the event is, from 0." }),
          tree_size: Type.Integer({ minimum: 1, description: "Size of the tree of the checkpoint." }),
          leaf_hash: Type.String({ description: "Hash of the leaf, base64." }),
          opening: Type.String({ description: "What opens the part of the leaf that hides the caller's address, base64." }),
          hashes: Type.Array(Type.String(), { description: "The inclusion proof, RFC 9162 section 2.1.3.1, base64." }),
          checkpoint: Type.String({ description: "The signed checkpoint." }),
        }),
        "That the event is in the audit log; null for about a second, until it is. Only where one event is asked for by its id.",
      ),
    ),
  },
  {
    $id: "Event",
    description: "An audit event. Written in the same commit as the change it tells of, never changed.",
    examples: [
      {
        id: exampleId("event"),
        object: "event",
        event_id: exampleId("event"),
        event_type: "transfer.posted",
        organisation_id: exampleId("organisation"),
        api_key_id: exampleId("apiKey"),
        user_id: exampleId("user"),
        object_id: exampleId("transaction"),
        transaction_id: exampleId("transaction"),
        amount: 1250,
        currency: "EUR",
        entries: [
          { account_id: exampleId("account"), amount: -1250 },
          { account_id: "acc_01M82BHM94EKDS19EG849YHCB7", amount: 1250 },
        ],
        details: null,
        timestamp: "2026-11-22T19:25:52.275Z",
        ip_address: "192.0.2.1",
        user_agent: "curl/8.14.1",
        request_id: exampleId("request"),
        version: 1,
        checksum: "9f2b6c1d40a7e853b6f0d2c94e17a8350c6d9be1f7428a05d3e9b1c7a6f80e24",
      },
    ],
  },
);

export interface AuditRouteDeps {
  readonly store: Store;
  readonly clock: Clock;
  /** The proof that an event is in the Merkle log, as it is shown; `null` while it is not. */
  readonly proofOf: (eventId: string) => Promise<JsonObject | null>;
  /** Told who reads events. */
  readonly onRead: (actor: Actor, operation: string) => void;
}

/** Routes of the audit log. */
export function auditRoutes(app: HttpServer, deps: AuditRouteDeps): void {
  const noteRead = ({ principal, ip, userAgent, requestId }: Caller, operation: string): void =>
    deps.onRead(
      {
        organisationId: principal.organisationId,
        apiKeyId: principal.apiKeyId,
        operatorId: principal.operatorId ?? null,
        ip,
        userAgent: userAgent || null,
        requestId,
      },
      operation,
    );
  app.addSchema(eventSchema);
  const tags = ["Audit"];

  app.get(
    "/v1/audit/events",
    {
      config: { access: "key", scope: "audit:read", cost: 2, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listAuditEvents",
        tags,
        summary: "List audit events, newest first",
        description:
          "Every change of the organisation's data, and what was refused for the sake of security. Lists up to a time that is past are as " +
          "those of transactions where a clock was set back.",
        querystring: Type.Object(
          {
            ...pageParameters,
            event_type: Type.Optional(Type.String({ enum: [...eventTypes], description: "Only events of this type." })),
            transaction_id: Type.Optional(idField("transaction", "Only events of this transaction.")),
            user_id: Type.Optional(idField("user", "Only events that concern this user.")),
            object_id: Type.Optional(
              Type.String({
                pattern: "^[a-z]{3}_[0-7][0-9A-HJKMNP-TV-Z]{25}$",
                description: "Only events of this object, of whatever kind.",
                examples: [exampleId("account")],
              }),
            ),
            created_from: described(timeParameter, "Only events of this time or later, RFC 3339."),
            created_to: described(timeParameter, "Only events of this time or earlier, RFC 3339."),
          },
          { additionalProperties: false },
        ),
        response: { 200: pageOf("Event") },
      },
    },
    async (request, reply) => {
      const { limit, cursor } = readPage(request.query);
      const { event_type, transaction_id, user_id, object_id, created_from, created_to } = request.query;
      if (cursor !== undefined && !isId("event", cursor)) return sendRefusal(reply, refuse("invalid_cursor", "cursor"));
      const asked = readTimes({ created_from, created_to });
      if (!asked.ok) return sendRefusal(reply, asked);
      const { created_from: from, created_to: to } = asked.times;
      const page = await mergePartitions(deps.store, {
        table: "smartfinance-audit-logs",
        organisationId: request.caller.principal.organisationId,
        from: from === undefined ? undefined : oldestIdOf("event", from),
        to: listEndId("event", to, cursor, deps.clock.now()),
        before: cursor,
        limit,
        keep: (item) =>
          (event_type === undefined || item.event_type === event_type) &&
          (transaction_id === undefined || item.transaction_id === transaction_id) &&
          (user_id === undefined || item.user_id === user_id) &&
          (object_id === undefined || item.object_id === object_id) &&
          (from === undefined || Date.parse(String(item.timestamp)) >= from) &&
          (to === undefined || Date.parse(String(item.timestamp)) <= to),
      });
      noteRead(request.caller, "listAuditEvents");
      return sendObject(reply, listOf(page.items.map(presentEvent), page.next));
    },
  );

  app.get(
    "/v1/audit/events/:id",
    {
      config: { access: "key", scope: "audit:read", problems: ["not_found"] },
      schema: {
        operationId: "getAuditEvent",
        tags,
        summary: "Get an audit event",
        description: "Its checksum and its leaf in the log can be recomputed from the answer.",
        params: Type.Object({ id: idField("event") }),
        response: { 200: ref("Event") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const { id } = request.params;
      const item = await deps.store.get("smartfinance-audit-logs", { hash: partitionOf(organisationId, id), range: id });
      if (item === undefined) return sendRefusal(reply, refuse("not_found"));
      noteRead(request.caller, "getAuditEvent");
      return sendObject(reply, { ...presentEvent(item), proof: await deps.proofOf(id) });
    },
  );
}
