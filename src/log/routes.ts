import type { FastifyReply } from "fastify";
import { Type } from "typebox";
import { presentEvent } from "#audit/index.ts";
import type { HttpServer } from "#http/index.ts";
import { idField, listOf, pageOf, pageParameters, readPage, sendObject, sendRefusal } from "#http/index.ts";
import type { Clock } from "#kernel/clock.ts";
import { toTimestamp } from "#kernel/clock.ts";
import { isId, partitionOf } from "#kernel/ids.ts";
import { refuse } from "#kernel/problems.ts";
import type { Store } from "#storage/index.ts";
import { FEED_TABLE, mergePartitions } from "#storage/index.ts";
import { toBase64 } from "./base64.ts";
import { INSTALLATION } from "./installation.ts";
import type { LogReader } from "./log-reader.ts";
import type { Signer } from "./note-keys.ts";
import type { ReadLog } from "./read-log.ts";
import { formatProof } from "./proof-text.ts";
import { CHECKPOINT_EXAMPLE, consistencySchema, logKeySchema, PROOF_EXAMPLE, sizeParameter, textAnswer, TILE_PATTERN } from "./schema.ts";
import { parseTilePath } from "./tiles.ts";

export interface LogRouteDeps {
  readonly store: Store;
  readonly reader: LogReader;
  readonly signer: () => Promise<Signer>;
  readonly clock: Pick<Clock, "now">;
  /** Told who reads events. */
  readonly reads: Pick<ReadLog, "note">;
}

const TEXT = "text/plain; charset=utf-8";
const scope = "audit:read" as const;

/** Routes of the Merkle log. Its tree is one for the whole installation: nothing here shows what an entry says. */
export function logRoutes(app: HttpServer, { store, reader, signer, clock, reads }: LogRouteDeps): void {
  const tags = ["Audit"];

  app.get(
    "/v1/audit/events/:id/proof",
    {
      config: { access: "key", scope, cost: 2, problems: ["not_found", "not_sealed"] },
      schema: {
        operationId: "getAuditEventProof",
        tags,
        summary: "Get the proof that an event is in the log",
        description:
          "A C2SP `tlog-proof`, to be checked offline with the log's public key. Its `extra` is what opens the event's hidden part. " +
          "An event is sealed within about a second of its commit.",
        params: Type.Object({ id: idField("event") }),
        response: { 200: textAnswer("text/plain", "The proof.", PROOF_EXAMPLE) },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const { id } = request.params;
      const kept = [organisationId, INSTALLATION].map((whose) => ({ hash: partitionOf(whose, id), range: id }));
      const found = await store.getMany(kept.map((key) => ({ table: FEED_TABLE, key })));
      if (found.every((item) => item === undefined)) return sendRefusal(reply, refuse("not_found"));
      const proof = await reader.proof(id);
      if (proof === undefined) return sendRefusal(reply, refuse("not_sealed"));
      const { opening: extra, index, hashes, checkpoint } = proof;
      return sendText(reply, formatProof({ extra, index, hashes, checkpoint }));
    },
  );

  app.get(
    "/v1/audit/checkpoint",
    {
      config: { access: "key", scope, problems: ["not_sealed"] },
      schema: {
        operationId: "getAuditCheckpoint",
        tags,
        summary: "Get the log's checkpoint",
        description: "A C2SP `tlog-checkpoint`: size and root of the tree, signed by the log, and by witnesses where asked for.",
        querystring: Type.Object(
          {
            witnessed: Type.Optional(
              Type.String({ enum: ["true", "false"], description: "`true`: the newest that witnesses have cosigned." }),
            ),
          },
          { additionalProperties: false },
        ),
        response: { 200: textAnswer("text/plain", "The checkpoint.", CHECKPOINT_EXAMPLE) },
      },
    },
    async (request, reply) => {
      const found = await reader.checkpoint(request.query.witnessed === "true");
      return found === undefined ? sendRefusal(reply, refuse("not_sealed")) : sendText(reply, found.text);
    },
  );

  app.get(
    "/v1/audit/consistency",
    {
      config: { access: "key", scope },
      schema: {
        operationId: "getAuditConsistency",
        tags,
        summary: "Get the proof that the log only grew",
        description: "From the tree of one checkpoint to that of a later one.",
        querystring: Type.Object(
          {
            from: Type.Optional(sizeParameter("Size of the older tree; 0 when absent.")),
            to: Type.Optional(sizeParameter("Size of the newer tree; that of the newest checkpoint when absent.")),
          },
          { additionalProperties: false },
        ),
        response: { 200: consistencySchema },
      },
    },
    async (request, reply) => {
      const from = Number(request.query.from ?? 0);
      const to = request.query.to === undefined ? ((await reader.checkpoint())?.size ?? 0) : Number(request.query.to);
      if (from > to) return sendRefusal(reply, refuse("invalid_request", "from", "The older tree is larger than the newer one."));
      const hashes = await reader.consistency(from, to);
      if (hashes === undefined) return sendRefusal(reply, refuse("invalid_request", "to", "The log is not that large."));
      return sendObject(reply, { object: "consistency_proof", from, to, hashes: hashes.map(toBase64) });
    },
  );

  app.get(
    "/v1/audit/key",
    {
      config: { access: "key", scope },
      schema: {
        operationId: "getAuditKey",
        tags,
        summary: "Get the log's public key",
        description:
          "Keep it: a verifier is to be told the key, not to ask the server that it checks. After a rotation the former keys sign next to " +
          "it for a while; a rotation is an event of the installation, which names both keys.",
        response: { 200: logKeySchema },
      },
    },
    async (_request, reply) => {
      const { verifier, former = [] } = await signer();
      const now = clock.now();
      const signing = former.filter(({ until }) => until > now);
      const still = signing.map((one) => ({ verifier_key: one.signer.verifier.vkey, signs_until: toTimestamp(one.until) }));
      return sendObject(reply, { object: "audit_log_key", origin: verifier.name, verifier_key: verifier.vkey, former_keys: still });
    },
  );

  app.get(
    "/v1/audit/installation-events",
    {
      config: { access: "key", scope, cost: 2, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listInstallationEvents",
        tags,
        summary: "List the installation's own audit events, newest first",
        description:
          "Starts and stops of the audit log, times in which nothing was sealed, and its key's rotations. They belong to no organisation, and " +
          "everybody who may read the audit log may read them.",
        querystring: Type.Object({ ...pageParameters }, { additionalProperties: false }),
        response: { 200: pageOf("Event") },
      },
    },
    async (request, reply) => {
      const { limit, cursor } = readPage(request.query);
      if (cursor !== undefined && !isId("event", cursor)) return sendRefusal(reply, refuse("invalid_cursor", "cursor"));
      const page = await mergePartitions(store, {
        table: FEED_TABLE,
        organisationId: INSTALLATION,
        before: cursor,
        limit,
        keep: () => true,
      });
      const { principal, ip, userAgent, requestId } = request.caller;
      const { organisationId, apiKeyId, operatorId = null } = principal;
      reads.note({ organisationId, apiKeyId, operatorId, ip, userAgent: userAgent || null, requestId }, "listInstallationEvents");
      return sendObject(reply, listOf(page.items.map(presentEvent), page.next));
    },
  );

  const tileAt = async (path: string): Promise<Buffer | undefined> => {
    const parsed = parseTilePath(path);
    return parsed === undefined ? undefined : reader.tile(parsed);
  };
  const config = { access: "key", scope, problems: ["not_found"] } as const;

  app.get(
    "/v1/audit/tile/:id",
    {
      config,
      schema: {
        operationId: "getAuditTile",
        tags,
        summary: "Get a tile of the log",
        description:
          "C2SP `tlog-tiles`: `<L>/<N>` and `entries/<N>`, partial ones with `.p/<W>`. The slashes may stand as they are or escaped as " +
          "`%2F`. Entries are hashes of 32 bytes: they tell nothing of the events.",
        params: Type.Object({
          id: Type.String({ pattern: TILE_PATTERN, description: "The path of the tile.", examples: ["0/000"] }),
        }),
        response: { 200: textAnswer("application/octet-stream", "Hashes of 32 bytes each, or entries behind their lengths.", "(bytes)") },
      },
    },
    async (request, reply) => {
      const tile = await tileAt(request.params.id);
      return tile === undefined ? sendRefusal(reply, refuse("not_found")) : sendBytes(reply, tile);
    },
  );
  app.get("/v1/audit/tile/*", { config, schema: { operationId: "getAuditTileByPath", hide: true } }, async (request, reply) => {
    const tile = await tileAt((request.params as { "*": string })["*"]);
    return tile === undefined ? sendRefusal(reply, refuse("not_found")) : sendBytes(reply, tile);
  });
}

function sendBytes(reply: FastifyReply, bytes: Buffer): FastifyReply {
  return reply.header("content-type", "application/octet-stream").send(bytes);
}

function sendText(reply: FastifyReply, text: string): FastifyReply {
  return reply.header("content-type", TEXT).send(text);
}
