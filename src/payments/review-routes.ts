import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import { idField, listOf, pageOf, pageParameters, readPage, ref, sendExecuted, sendObject, sendRefusal } from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import { statusKey } from "#ledger/index.ts";
import { judgeReview } from "./commands/review.ts";
import type { PaymentDeps } from "./deps.ts";
import { presentReview } from "./present.ts";
import { readReview } from "./read.ts";
import { reviewStatuses, reviews } from "./review.ts";

/** Routes of manual reviews. */
export function reviewRoutes(app: HttpServer, deps: PaymentDeps): void {
  const tags = ["Reviews"];
  const params = Type.Object({ id: idField("review") });

  app.get(
    "/v1/reviews/:id",
    {
      config: { access: "key", problems: ["not_found"] },
      schema: { operationId: "getReview", tags, summary: "Get a review", params, response: { 200: ref("Review") } },
    },
    async (request, reply) => {
      const review = await readReview(deps.store, request.caller.principal.organisationId, request.params.id);
      return review === undefined ? sendRefusal(reply, refuse("not_found")) : sendObject(reply, presentReview(review));
    },
  );

  app.get(
    "/v1/reviews",
    {
      config: { access: "key", problems: ["invalid_cursor"] },
      schema: {
        operationId: "listReviews",
        tags,
        summary: "List reviews, newest first",
        querystring: Type.Object(
          { ...pageParameters, status: Type.Optional(Type.String({ enum: [...reviewStatuses] })) },
          { additionalProperties: false },
        ),
        response: { 200: pageOf("Review") },
      },
    },
    async (request, reply) => {
      const { limit, cursor } = readPage(request.query);
      const { organisationId } = request.caller.principal;
      const { status } = request.query;
      const page = await deps.store.query({
        table: "smartfinance-reviews",
        index: status === undefined ? "OrganisationReviewsIndex" : "StatusReviewsIndex",
        hash: status === undefined ? organisationId : statusKey(organisationId, status),
        order: "descending",
        limit,
        ...(cursor === undefined ? {} : { cursor }),
      });
      return sendObject(
        reply,
        listOf(
          page.items.map((item) => presentReview(reviews.fromItem(item))),
          page.cursor,
        ),
      );
    },
  );

  for (const verdict of ["approve", "reject"] as const) {
    app.post(
      `/v1/reviews/:id/${verdict}`,
      {
        config: {
          access: "key",
          idempotent: true,
          sensitive: true,
          problems: [
            "not_found",
            "review_already_decided",
            "contention",
            ...(verdict === "approve" ? (["account_frozen", "account_closed", "insufficient_funds", "balance_overflow"] as const) : []),
          ],
        },
        schema: {
          operationId: `${verdict}Review`,
          tags,
          summary: verdict === "approve" ? "Approve: post the payment" : "Reject: release the held funds",
          params,
          response: { 200: ref("Review") },
        },
      },
      async (request, reply) => sendExecuted(reply, await judgeReview(deps, askedBy(request), request.params.id, verdict)),
    );
  }
}
