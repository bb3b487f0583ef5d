import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import { idField, listOf, newestFirst, pageOf, pageSchema, readPage, ref, sendExecuted, sendObject, sendRefusal } from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import type { InventoryDeps } from "./inventory.ts";
import { cryptoInventory } from "./inventory.ts";
import { keyRotations, presentRotation, readRotation, ROTATIONS_TABLE } from "./key-rotation.ts";
import type { KeyRotation } from "./key-rotation.ts";
import { cryptoInventorySchema, keyRotationSchema, startRotationBody } from "./schema.ts";
import type { RotationDeps } from "./start-rotation.ts";
import { startRotation } from "./start-rotation.ts";
import { stepsOf } from "./sweep-steps.ts";

export interface VaultRoutesDeps extends RotationDeps, InventoryDeps {}

/** Routes of encryption keys: rotations and the inventory. */
export function vaultRoutes(app: HttpServer, deps: VaultRoutesDeps): void {
  app.addSchema(keyRotationSchema);
  app.addSchema(cryptoInventorySchema);
  const tags = ["Encryption"];
  const shown = (rotation: KeyRotation) => presentRotation(rotation, stepsOf(deps.places, rotation));

  app.post(
    "/v1/key-rotations",
    {
      config: {
        access: "key",
        scope: "crypto:write",
        cost: 10,
        sensitive: true,
        idempotent: true,
        bodyOptional: true,
        problems: ["not_found", "rotation_running", "too_many_keys"],
      },
      schema: {
        operationId: "startKeyRotation",
        tags,
        summary: "Rotate encryption keys",
        description:
          "New data is sealed under the new keys at once on the node that answers, within five seconds on every other. What is stored " +
          "already is sealed again in the background, which begins within seconds and which an interruption does not undo; old keys go " +
          "on opening it meanwhile, and are retired at the end. Sealing anew counts as a change of the record: its `version` grows. A compromised key is blocked at once, both ways: what it sealed cannot be read until it has been " +
          "sealed again, and kept replies under it cannot be replayed any more (503).",
        body: startRotationBody,
        response: { 202: ref("KeyRotation") },
      },
    },
    async (request, reply) => sendExecuted(reply, await startRotation(deps, askedBy(request), request.body)),
  );

  app.get(
    "/v1/key-rotations/:id",
    {
      config: { access: "key", scope: "crypto:read", problems: ["not_found"] },
      schema: {
        operationId: "getKeyRotation",
        tags,
        summary: "Get a key rotation",
        description: "Shows how far a rotation has come.",
        params: Type.Object({ id: idField("keyRotation") }),
        response: { 200: ref("KeyRotation") },
      },
    },
    async (request, reply) => {
      const rotation = await readRotation(deps.store, request.caller.principal.organisationId, request.params.id);
      return rotation === undefined ? sendRefusal(reply, refuse("not_found")) : sendObject(reply, shown(rotation));
    },
  );

  app.get(
    "/v1/key-rotations",
    {
      config: { access: "key", scope: "crypto:read", cost: 2, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listKeyRotations",
        tags,
        summary: "List key rotations",
        description: "All rotations of the organisation, newest first.",
        querystring: pageSchema,
        response: { 200: pageOf("KeyRotation") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const page = await deps.store.query(
        newestFirst(ROTATIONS_TABLE, "OrganisationKeyRotationsIndex", organisationId, readPage(request.query)),
      );
      return sendObject(
        reply,
        listOf(
          page.items.map((item) => shown(keyRotations.fromItem(item))),
          page.cursor,
        ),
      );
    },
  );

  app.get(
    "/v1/crypto-inventory",
    {
      config: { access: "key", scope: "crypto:read", cost: 5, problems: ["invalid_cursor"] },
      schema: {
        operationId: "getCryptoInventory",
        tags,
        summary: "Get the inventory of cryptography",
        description: "Which algorithms are used for what, which keys there are, how old and how strong they are, and who keeps them.",
        querystring: pageSchema,
        response: { 200: ref("CryptoInventory") },
      },
    },
    async (request, reply) =>
      sendObject(reply, await cryptoInventory(deps, request.caller.principal.organisationId, readPage(request.query))),
  );
}
