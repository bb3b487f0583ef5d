import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import { idField, listOf, newestFirst, pageOf, pageParameters, readPage, ref, sendExecuted, sendObject, sendRefusal } from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import { statusKey } from "#ledger/index.ts";
import { judgeReview } from "./commands/review.ts";
import type { PaymentDeps } from "./deps.ts";
import { examples } from "./examples.ts";
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
      config: { access: "key", scope: "reviews:read", problems: ["not_found"] },
      schema: {
        operationId: "getReview",
        tags,
        summary: "Get a review",
        description: "With why the payment waits, in `risk.reasons`.",
        params,
        response: { 200: ref("Review") },
      },
    },
    async (request, reply) => {
      const review = await readReview(deps.store, request.caller.principal.organisationId, request.params.id);
      return review === undefined ? sendRefusal(reply, refuse("not_found")) : sendObject(reply, presentReview(review));
    },
  );

  app.get(
    "/v1/reviews",
    {
      config: { access: "key", scope: "reviews:read", cost: 2, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listReviews",
        tags,
        summary: "List reviews, newest first",
        description: "`status=open` lists those that wait for a decision.",
        querystring: Type.Object(
          {
            ...pageParameters,
            status: Type.Optional(Type.String({ enum: [...reviewStatuses], description: "Only those of this status." })),
          },
          { additionalProperties: false },
        ),
        response: { 200: pageOf("Review") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const { status } = request.query;
      const asked = readPage(request.query);
      const query =
        status === undefined
          ? newestFirst("smartfinance-reviews", "OrganisationReviewsIndex", organisationId, asked)
          : newestFirst("smartfinance-reviews", "StatusReviewsIndex", statusKey(organisationId, status), asked);
      const page = await deps.store.query(query);
      const data = page.items.map((item) => presentReview(reviews.fromItem(item)));
      return sendObject(reply, listOf(data, page.cursor));
    },
  );

  for (const verdict of ["approve", "reject"] as const) {
    app.post(
      `/v1/reviews/:id/${verdict}`,
      {
        config: {
          access: "key",
          scope: "reviews:write",
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
          description:
            verdict === "approve"
              ? "The held funds move to the payee. Takes no body. A review is decided once."
              : "The payer has the funds back and nothing moves. Takes no body. A review is decided once.",
          params,
          response: {
            200: ref("Review", [{ ...examples.review, ...examples.decided, status: verdict === "approve" ? "approved" : "rejected" }]),
          },
        },
      },
      async (request, reply) => sendExecuted(reply, await judgeReview(deps, askedBy(request), request.params.id, verdict)),
    );
  }
}
