import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import { idField, listOf, newestFirst, pageOf, pageSchema, readPage, ref, sendExecuted, sendObject, sendRefusal } from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import type { ProblemCode } from "#kernel/problems.ts";
import type { Hold } from "#ledger/index.ts";
import { holds, readAccount, readHold } from "#ledger/index.ts";
import { openMetadata } from "#vault/index.ts";
import { checkContext } from "./check-context.ts";
import { authorise } from "./commands/authorise.ts";
import { capture, increment, voidRemaining } from "./commands/hold.ts";
import type { PaymentDeps } from "./deps.ts";
import { examples } from "./examples.ts";
import { presentHold } from "./present.ts";
import { scaProblems } from "./sca-problems.ts";
import { authoriseBody, captureBody, incrementBody } from "./schema.ts";

const problems = [
  "account_frozen",
  "account_restricted",
  "account_closed",
  "insufficient_funds",
  "balance_overflow",
  "contention",
] as const satisfies ProblemCode[];
const ofAHold = [...problems, "not_found", "hold_not_active", "hold_expired"] as const satisfies ProblemCode[];

/** Routes of holds. */
export function holdRoutes(app: HttpServer, deps: PaymentDeps): void {
  const tags = ["Holds"];
  const params = Type.Object({ id: idField("hold") });
  const present = async (hold: Hold) =>
    presentHold(hold, await openMetadata(deps.vault, hold.organisationId, "smartfinance-holds", hold.id, hold.metadata), deps.clock.now());

  app.post(
    "/v1/holds",
    {
      config: {
        access: "key",
        scope: "holds:write",
        idempotent: true,
        problems: [
          ...problems,
          "account_not_found",
          "account_type_not_allowed",
          "currency_mismatch",
          ...scaProblems,
          "authentication_required",
          "same_account",
          "too_many_holds",
          "risk_declined",
        ],
      },
      schema: {
        operationId: "createHold",
        tags,
        summary: "Authorise a hold",
        description:
          "Reserves funds of the payer for the payee. Judged for fraud here; what a transfer would wait for a review for, or be blocked for, " +
          "declines it with `risk_declined`, because a hold cannot wait.",
        body: authoriseBody,
        response: { 201: ref("Hold") },
      },
    },
    async (request, reply) => {
      const refusal = checkContext(request.body);
      if (refusal !== undefined) return sendRefusal(reply, refusal);
      return sendExecuted(reply, await authorise(deps, askedBy(request), request.body));
    },
  );

  app.get(
    "/v1/holds/:id",
    {
      config: { access: "key", scope: "holds:read", problems: ["not_found"] },
      schema: {
        operationId: "getHold",
        tags,
        summary: "Get a hold",
        description: "As it stands now: a hold expires by the clock alone.",
        params,
        response: { 200: ref("Hold") },
      },
    },
    async (request, reply) => {
      const hold = await readHold(deps.store, request.caller.principal.organisationId, request.params.id);
      return hold === undefined ? sendRefusal(reply, refuse("not_found")) : sendObject(reply, await present(hold));
    },
  );

  app.get(
    "/v1/accounts/:id/holds",
    {
      config: { access: "key", scope: "holds:read", cost: 2, problems: ["not_found", "invalid_cursor"] },
      schema: {
        operationId: "listHolds",
        tags,
        summary: "List an account's holds, newest first",
        description: "Those that reserve, or reserved, funds of this account.",
        params: Type.Object({ id: idField("account", "The account that pays.") }),
        querystring: pageSchema,
        response: { 200: pageOf("Hold") },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const account = await readAccount(deps.store, request.caller.principal.organisationId, id);
      if (account === undefined) return sendRefusal(reply, refuse("not_found"));
      const page = await deps.store.query(newestFirst("smartfinance-holds", "AccountHoldsIndex", id, readPage(request.query)));
      return sendObject(reply, listOf(await Promise.all(page.items.map((item) => present(holds.fromItem(item)))), page.cursor));
    },
  );

  app.post(
    "/v1/holds/:id/increment",
    {
      config: {
        access: "key",
        scope: "holds:write",
        idempotent: true,
        problems: [...ofAHold, "too_many_holds", "authentication_required", "risk_declined"],
      },
      schema: {
        operationId: "incrementHold",
        tags,
        summary: "Raise a hold",
        description:
          "Reserves `amount` more. The expiry stays as it is. Judged for fraud as one payment more, by rules that are asked about the whole " +
          "amount that the hold becomes; what is not simply allowed is declined with `risk_declined`, and the hold stays as it was. Refused for " +
          "what a new hold between the two accounts would be refused for, such as a payee that is frozen.",
        params,
        body: incrementBody,
        response: { 200: ref("Hold") },
      },
    },
    async (request, reply) => {
      const refusal = checkContext(request.body);
      if (refusal !== undefined) return sendRefusal(reply, refusal);
      return sendExecuted(reply, await increment(deps, askedBy(request), request.params.id, request.body));
    },
  );

  app.post(
    "/v1/holds/:id/capture",
    {
      config: {
        access: "key",
        scope: "holds:write",
        idempotent: true,
        bodyOptional: true,
        problems: [...ofAHold, "hold_amount_exceeded"],
      },
      schema: {
        operationId: "captureHold",
        tags,
        summary: "Capture a hold, wholly or in part",
        description:
          "Posts `amount` to the payee and keeps the rest reserved, unless `final` is true. Without `amount`, and without a body, all that " +
          "remains is captured. A hold may be captured in several parts; together they never exceed its amount.",
        params,
        body: captureBody,
        response: { 201: ref("Transaction", [examples.capture]) },
      },
    },
    async (request, reply) => sendExecuted(reply, await capture(deps, askedBy(request), request.params.id, request.body)),
  );

  app.post(
    "/v1/holds/:id/void",
    {
      config: { access: "key", scope: "holds:write", idempotent: true, problems: ofAHold },
      schema: {
        operationId: "voidHold",
        tags,
        summary: "Void what remains of a hold",
        description: "Releases what has not been captured. Takes no body.",
        params,
        response: { 200: ref("Hold", [{ ...examples.hold, status: "voided", remaining_amount: 0 }]) },
      },
    },
    async (request, reply) => sendExecuted(reply, await voidRemaining(deps, askedBy(request), request.params.id)),
  );
}
