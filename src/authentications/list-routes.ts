import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import { idField, listOf, pageOf, pageParameters, readPage, ref, sendExecuted, sendObject, sendRefusal } from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import { BENEFICIARIES_TABLE, beneficiaries, presentBeneficiary, readBeneficiary } from "./beneficiary.ts";
import type { AuthenticationDeps } from "./deps.ts";
import { createBeneficiary, removeBeneficiary, updateBeneficiary } from "./manage-beneficiaries.ts";
import { cancelStandingOrder, createStandingOrder, updateStandingOrder } from "./manage-standing-orders.ts";
import { queryOwn } from "./query-own.ts";
import { createBeneficiaryBody, createStandingOrderBody, updateBeneficiaryBody, updateStandingOrderBody } from "./schema.ts";
import { presentStandingOrder, readStandingOrder, STANDING_ORDERS_TABLE, standingOrders } from "./standing-order.ts";

const uses = ["not_found", "authentication_not_usable", "authentication_mismatch"] as const;
const ofUser = Type.Object(
  { ...pageParameters, user_id: Type.Optional(idField("user", "Only this user's.")) },
  { additionalProperties: false },
);

/** Routes of trusted beneficiaries and standing orders: what users decide once, authenticated, so that later payments need no more. */
export function listRoutes(app: HttpServer, deps: AuthenticationDeps): void {
  beneficiaryRoutes(app, deps);
  standingOrderRoutes(app, deps);
}

function beneficiaryRoutes(app: HttpServer, deps: AuthenticationDeps): void {
  const tags = ["Beneficiaries"];
  const params = Type.Object({ id: idField("beneficiary") });

  app.post(
    "/v1/beneficiaries",
    {
      config: { access: "key", scope: "beneficiaries:write", idempotent: true, problems: [...uses, "account_not_found"] },
      schema: {
        operationId: "createBeneficiary",
        tags,
        summary: "Trust a payee",
        description: "Needs an authentication with the purpose `beneficiary`, which names the same user, account and name.",
        body: createBeneficiaryBody,
        response: { 201: ref("Beneficiary") },
      },
    },
    async (request, reply) => sendExecuted(reply, await createBeneficiary(deps, askedBy(request), request.body)),
  );

  app.get(
    "/v1/beneficiaries/:id",
    {
      config: { access: "key", scope: "beneficiaries:read", problems: ["not_found"] },
      schema: {
        operationId: "getBeneficiary",
        tags,
        summary: "Get a trusted payee",
        description: "Also one that has been taken off the list.",
        params,
        response: { 200: ref("Beneficiary") },
      },
    },
    async (request, reply) => {
      const found = await readBeneficiary(deps.store, request.caller.principal.organisationId, request.params.id);
      return found === undefined ? sendRefusal(reply, refuse("not_found")) : sendObject(reply, await presentBeneficiary(deps.vault, found));
    },
  );

  app.get(
    "/v1/beneficiaries",
    {
      config: { access: "key", scope: "beneficiaries:read", cost: 2, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listBeneficiaries",
        tags,
        summary: "List trusted payees",
        description: "Of the organisation, or of one user. The list may lag behind a change by a moment.",
        querystring: ofUser,
        response: { 200: pageOf("Beneficiary") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const { items, cursor } = await queryOwn(
        deps.store,
        organisationId,
        request.query.user_id,
        {
          table: BENEFICIARIES_TABLE,
          organisationIndex: "OrganisationBeneficiariesIndex",
          userIndex: "UserBeneficiariesIndex",
        },
        readPage(request.query),
      );
      const shown = items.map((item) => presentBeneficiary(deps.vault, beneficiaries.fromItem(item)));
      return sendObject(reply, listOf(await Promise.all(shown), cursor));
    },
  );

  app.patch(
    "/v1/beneficiaries/:id",
    {
      config: { access: "key", scope: "beneficiaries:write", problems: uses },
      schema: {
        operationId: "updateBeneficiary",
        tags,
        summary: "Change a trusted payee",
        description: "Needs an authentication that names it by `beneficiary_id`, with the new name.",
        params,
        body: updateBeneficiaryBody,
        response: { 200: ref("Beneficiary") },
      },
    },
    async (request, reply) => sendExecuted(reply, await updateBeneficiary(deps, askedBy(request), request.params.id, request.body)),
  );

  app.delete(
    "/v1/beneficiaries/:id",
    {
      config: { access: "key", scope: "beneficiaries:write", problems: ["not_found"] },
      schema: {
        operationId: "removeBeneficiary",
        tags,
        summary: "Trust a payee no longer",
        description: "Payments there are authenticated again. Needs no authentication.",
        params,
        response: { 200: ref("Beneficiary") },
      },
    },
    async (request, reply) => sendExecuted(reply, await removeBeneficiary(deps, askedBy(request), request.params.id)),
  );
}

function standingOrderRoutes(app: HttpServer, deps: AuthenticationDeps): void {
  const tags = ["Standing orders"];
  const params = Type.Object({ id: idField("standingOrder") });

  app.post(
    "/v1/standing-orders",
    {
      config: {
        access: "key",
        scope: "standing_orders:write",
        idempotent: true,
        problems: [...uses, "account_not_found", "standing_order_not_active"],
      },
      schema: {
        operationId: "createStandingOrder",
        tags,
        summary: "Register a series of payments",
        description:
          "Needs an authentication with the purpose `standing_order`. You make the payments by POST /v1/transfers with `standing_order_id`. The " +
          "first is authenticated; later ones of the same amount to the same payee need it no more.",
        body: createStandingOrderBody,
        response: { 201: ref("StandingOrder") },
      },
    },
    async (request, reply) => sendExecuted(reply, await createStandingOrder(deps, askedBy(request), request.body)),
  );

  app.get(
    "/v1/standing-orders/:id",
    {
      config: { access: "key", scope: "standing_orders:read", problems: ["not_found"] },
      schema: {
        operationId: "getStandingOrder",
        tags,
        summary: "Get a series of payments",
        description: "Also one that has been canceled.",
        params,
        response: { 200: ref("StandingOrder") },
      },
    },
    async (request, reply) => {
      const found = await readStandingOrder(deps.store, request.caller.principal.organisationId, request.params.id);
      return found === undefined ? sendRefusal(reply, refuse("not_found")) : sendObject(reply, presentStandingOrder(found));
    },
  );

  app.get(
    "/v1/standing-orders",
    {
      config: { access: "key", scope: "standing_orders:read", cost: 2, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listStandingOrders",
        tags,
        summary: "List series of payments, newest first",
        description: "Of the organisation, or of one user. The list may lag behind a change by a moment.",
        querystring: ofUser,
        response: { 200: pageOf("StandingOrder") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const { items, cursor } = await queryOwn(
        deps.store,
        organisationId,
        request.query.user_id,
        {
          table: STANDING_ORDERS_TABLE,
          organisationIndex: "OrganisationStandingOrdersIndex",
          userIndex: "UserStandingOrdersIndex",
        },
        readPage(request.query),
      );
      const shown = items.map((item) => presentStandingOrder(standingOrders.fromItem(item)));
      return sendObject(reply, listOf(shown, cursor));
    },
  );

  app.patch(
    "/v1/standing-orders/:id",
    {
      config: { access: "key", scope: "standing_orders:write", problems: [...uses, "account_not_found", "standing_order_not_active"] },
      schema: {
        operationId: "updateStandingOrder",
        tags,
        summary: "Change a series of payments",
        description:
          "Needs an authentication that names it by `standing_order_id`, with the new terms. The next payment is authenticated again.",
        params,
        body: updateStandingOrderBody,
        response: { 200: ref("StandingOrder") },
      },
    },
    async (request, reply) => sendExecuted(reply, await updateStandingOrder(deps, askedBy(request), request.params.id, request.body)),
  );

  app.post(
    "/v1/standing-orders/:id/cancel",
    {
      config: { access: "key", scope: "standing_orders:write", idempotent: true, problems: ["not_found", "standing_order_not_active"] },
      schema: {
        operationId: "cancelStandingOrder",
        tags,
        summary: "End a series of payments",
        description: "Its payments are authenticated again. Needs no authentication.",
        params,
        response: { 200: ref("StandingOrder") },
      },
    },
    async (request, reply) => sendExecuted(reply, await cancelStandingOrder(deps, askedBy(request), request.params.id)),
  );
}
