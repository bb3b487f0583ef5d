import { Type } from "typebox";
import type { FastifyRequest } from "fastify";
import type { HttpServer } from "#http/index.ts";
import {
  callerIdOf,
  described,
  exampleId,
  idField,
  listOf,
  openStream,
  pageOf,
  pageParameters,
  readPage,
  readTimes,
  ref,
  sendObject,
  sendRefusal,
  tellWebhooks,
  timeParameter,
} from "#http/index.ts";
import type { Clock } from "#kernel/clock.ts";
import { listEndId, oldestIdOf } from "#kernel/id-times.ts";
import { isId, partitionOf } from "#kernel/ids.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Store } from "#storage/index.ts";
import { mergePartitions } from "#storage/index.ts";
import { presentPublicEvent, publicEventOf } from "./public-event.ts";
import type { PublicEventType } from "./public-types.ts";
import { isPublicEventType, publicEventTypes, publicType, TYPES_LISTED } from "./public-types.ts";
import { PUBLIC_EVENT_EXAMPLE, publicEventSchema } from "./schema.ts";
import type { Streams } from "./streams.ts";

export interface EventRoutesDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly streams: Streams;
  /** Whether the key of a request may still listen; `undefined` when that cannot be found out now. */
  readonly mayListen: (request: FastifyRequest) => () => Promise<boolean | undefined>;
}

const TABLE = "smartfinance-audit-logs";

const STREAM_EXAMPLE = [
  "id: dek_01M82BHM94EKAVVN1J472JCKY4.q83vEjRWeJCrze8S.F2b0rV6yRkq3vN0fZ1cB8Q",
  "event: transfer.posted",
  `data: ${JSON.stringify(PUBLIC_EVENT_EXAMPLE)}`,
  "\n",
].join("\n");

const typesParameter = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: 8_000,
    description: "Only these types, divided by commas.",
    examples: ["transfer.posted,hold.voided"],
  }),
);

function readTypes(text: string | undefined): { readonly ok: true; readonly types: ReadonlySet<PublicEventType> | undefined } | Refusal {
  if (text === undefined) return { ok: true, types: undefined };
  const types = text.split(",");
  const unknown = types.find((type) => !isPublicEventType(type));
  if (unknown !== undefined)
    return refuse(
      "invalid_request",
      "types",
      `There is no type ${unknown.slice(0, 81).toWellFormed()} that clients are told. ${TYPES_LISTED}`,
    );
  return { ok: true, types: new Set(types.filter(isPublicEventType)) };
}

/** Routes of the event list and the live stream. */
export function eventRoutes(app: HttpServer, deps: EventRoutesDeps): void {
  app.addSchema(publicEventSchema);
  const tags = ["Events"];

  app.get(
    "/v1/events",
    {
      config: { access: "key", scope: "events:read", cost: 2, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listEvents",
        tags,
        summary: "List events",
        description: `What happened, newest first. A filter that keeps little can give short pages; go on while \`has_more\`. Lists up to a time that is past are as those of transactions where a clock was set back. The types: ${publicEventTypes.map((type) => `\`${type}\``).join(", ")}.`,
        querystring: Type.Object(
          {
            ...pageParameters,
            types: typesParameter,
            object: Type.Optional(
              Type.String({
                pattern: "^[a-z]{3}_[0-7][0-9A-HJKMNP-TV-Z]{25}$",
                description: "Only what happened to this object.",
                examples: ["txn_01M82BHM94EKAVVN1J472JCKY4"],
              }),
            ),
            created_from: described(timeParameter, "Only events of this time or later, RFC 3339."),
            created_to: described(timeParameter, "Only events of this time or earlier, RFC 3339."),
          },
          { additionalProperties: false },
        ),
        response: { 200: pageOf("PublicEvent") },
      },
    },
    async (request, reply) => {
      const { types, object, created_from, created_to } = request.query;
      const { limit, cursor } = readPage(request.query);
      if (cursor !== undefined && !isId("event", cursor)) return sendRefusal(reply, refuse("invalid_cursor", "cursor"));
      const wanted = readTypes(types);
      if (!wanted.ok) return sendRefusal(reply, wanted);
      const asked = readTimes({ created_from, created_to });
      if (!asked.ok) return sendRefusal(reply, asked);
      const { created_from: from, created_to: to } = asked.times;
      const page = await mergePartitions(deps.store, {
        table: TABLE,
        organisationId: request.caller.principal.organisationId,
        from: from === undefined ? undefined : oldestIdOf("event", from),
        to: listEndId("event", to, cursor, deps.clock.now()),
        before: cursor,
        limit,
        keep: (item) =>
          isPublicEventType(item.event_type) &&
          publicEventOf(item) !== undefined &&
          (wanted.types === undefined || wanted.types.has(item.event_type)) &&
          (object === undefined || item.object_id === object) &&
          (from === undefined || Date.parse(String(item.timestamp)) >= from) &&
          (to === undefined || Date.parse(String(item.timestamp)) <= to),
      });
      const events = page.items.flatMap((item) => publicEventOf(item) ?? []);
      return sendObject(reply, listOf(events.map(presentPublicEvent), page.next));
    },
  );

  app.get(
    "/v1/events/:id",
    {
      config: { access: "key", scope: "events:read", problems: ["not_found"] },
      schema: {
        operationId: "getEvent",
        tags,
        summary: "Get an event",
        description: "The same event that webhooks and the stream tell. What only the audit log tells is not found here.",
        params: Type.Object({ id: idField("event") }),
        response: { 200: ref("PublicEvent") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const { id } = request.params;
      const item = await deps.store.get(TABLE, { hash: partitionOf(organisationId, id), range: id });
      const event = item === undefined ? undefined : publicEventOf(item);
      return event === undefined ? sendRefusal(reply, refuse("not_found")) : sendObject(reply, presentPublicEvent(event));
    },
  );

  app.get(
    "/v1/events/stream",
    {
      config: { access: "key", scope: "events:read", cost: 5, stream: true, problems: ["invalid_cursor", "too_many_streams"] },
      schema: {
        operationId: "streamEvents",
        tags,
        summary: "Listen to events as they happen",
        description:
          "Server-sent events (`text/event-stream`): `event` is the type, `data` the JSON of a PublicEvent, `id` its place, which means nothing " +
          "else. After a break send the last `id` as `Last-Event-ID`, and nothing is missed; something may come twice. Without it the stream " +
          "begins about now. Events come in the order in which they became known, that of one account in the order of its changes. A comment " +
          "comes at least every 15 seconds. A client that does not read is cut off, and so are streams of a key that is revoked, within 5 seconds.",
        querystring: Type.Object({ types: typesParameter }, { additionalProperties: false }),
        headers: Type.Object({
          "last-event-id": Type.Optional(
            Type.String({ minLength: 1, maxLength: 512, description: "The last `id` that came; the stream goes on behind it." }),
          ),
        }),
        response: {
          200: {
            description: "The stream.",
            examples: [STREAM_EXAMPLE],
            content: { "text/event-stream": { schema: Type.String({ description: "Events, as the HTML standard writes them." }) } },
          },
        },
      },
    },
    async (request, reply) => {
      const wanted = readTypes(request.query.types);
      if (!wanted.ok) return sendRefusal(reply, wanted);
      const { organisationId } = request.caller.principal;
      const callerId = callerIdOf(request.caller.principal);
      const subscriber = { organisationId, callerId, types: wanted.types, mayListen: deps.mayListen(request) };
      const room = await deps.streams.reserve(subscriber, request.headers["last-event-id"]);
      if (!room.ok) return sendRefusal(reply, room);
      // Answered meanwhile, because it took too long to find out where it begins.
      if (reply.sent) room.giveUp();
      else room.start(openStream(reply));
      return reply;
    },
  );

  tellWebhooks(app, {
    schema: "PublicEvent",
    types: Object.fromEntries(publicEventTypes.map((type) => [type, publicType(type).about])),
    example(type) {
      if (!isPublicEventType(type)) return {};
      const { kind, object_type, of_factors } = publicType(type);
      return { data: { object: exampleId(kind), object_type, ...(of_factors === true ? {} : { version: 1 }) } };
    },
  });

  // Before the connections are waited for.
  app.addHook("preClose", (done) => {
    deps.streams.close();
    done();
  });
}
