import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import { idField, listOf, pageOf, pageParameters, readPage, readTimes, ref, sendExecuted, sendObject, sendRefusal } from "#http/index.ts";
import type { ProblemCode } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import { judgeReview } from "./commands/review.ts";
import { addNote, assignReview, unassignReview } from "./commands/review-work.ts";
import type { PaymentDeps } from "./deps.ts";
import { examples } from "./examples.ts";
import { presentReview } from "./present-review.ts";
import { readReview, readReviewTerms } from "./read.ts";
import { listLinked } from "./review-linked.ts";
import { listReviews } from "./review-list.ts";
import { listNotes } from "./review-note.ts";
import { USUAL_REASON } from "./review-reasons.ts";
import { assignBody, decisionBody, DEFAULT_LINKED_DAYS, linkedQuery, noteBody, reviewQuery } from "./review-schema.ts";

const tags = ["Reviews"];
const params = Type.Object({ id: idField("review") });

/** Routes of manual reviews. */
export function reviewRoutes(app: HttpServer, deps: PaymentDeps): void {
  readRoutes(app, deps);
  listRoute(app, deps);
  workRoutes(app, deps);
  for (const verdict of ["approve", "reject"] as const) decisionRoute(app, deps, verdict);
}

function readRoutes(app: HttpServer, deps: PaymentDeps): void {
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
      const { organisationId } = request.caller.principal;
      const [review, terms] = await Promise.all([
        readReview(deps.store, organisationId, request.params.id),
        readReviewTerms(deps.store, organisationId),
      ]);
      if (review === undefined) return sendRefusal(reply, refuse("not_found"));
      return sendObject(reply, presentReview(review, terms, deps.clock.now()));
    },
  );

  app.get(
    "/v1/reviews/:id/notes",
    {
      config: { access: "key", scope: "reviews:read", problems: ["not_found", "invalid_cursor"] },
      schema: {
        operationId: "listReviewNotes",
        tags,
        summary: "List a review's notes, oldest first",
        description: "Everything that was written down about it, in the order in which it was.",
        params,
        querystring: Type.Object(pageParameters, { additionalProperties: false }),
        response: { 200: pageOf("ReviewNote") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const { id } = request.params;
      if ((await readReview(deps.store, organisationId, id)) === undefined) return sendRefusal(reply, refuse("not_found"));
      const page = await listNotes(deps.store, deps.vault, organisationId, id, readPage(request.query));
      return sendObject(reply, listOf(page.data, page.cursor));
    },
  );

  app.get(
    "/v1/reviews/:id/linked",
    {
      config: { access: "key", scope: "reviews:read", cost: 5, problems: ["not_found", "invalid_cursor"] },
      schema: {
        operationId: "listLinkedTransactions",
        tags,
        summary: "List transactions linked to a reviewed payment, newest first",
        description:
          "Others to the same payee, or from the same device, some days before and after. `payee`: a page looks at up to 1,000 links of " +
          "the payee's history; empty for withdrawals. `device`: a page looks at up to 2,000 of the organisation's transactions; empty " +
          "when the payment named no device. A page may hold fewer than `limit`, or nothing, while `has_more` is true.",
        params,
        querystring: linkedQuery,
        response: { 200: pageOf("LinkedTransaction") },
      },
    },
    async (request, reply) => {
      const review = await readReview(deps.store, request.caller.principal.organisationId, request.params.id);
      if (review === undefined) return sendRefusal(reply, refuse("not_found"));
      const { by = "payee", days } = request.query;
      const { limit, cursor } = readPage(request.query);
      const asked = { by, days: Number(days ?? DEFAULT_LINKED_DAYS), limit, cursor, at: deps.clock.now() };
      const page = await listLinked(deps.store, review, asked);
      return page.ok ? sendObject(reply, listOf(page.data, page.cursor)) : sendRefusal(reply, page);
    },
  );
}

function listRoute(app: HttpServer, deps: PaymentDeps): void {
  app.get(
    "/v1/reviews",
    {
      config: { access: "key", scope: "reviews:read", cost: 2, problems: ["invalid_cursor", "account_not_found", "user_not_found"] },
      schema: {
        operationId: "listReviews",
        tags,
        summary: "List reviews, first due first",
        description:
          "`status=open` lists those that wait for a decision, `status=approved_once` those that wait for a second approval. Filters may " +
          "be combined; a page looks at up to 1,000 reviews and may hold fewer than `limit` while `has_more` is true, when a filter keeps " +
          "little. What expired moves from one status to the other within a minute; the status shown is always that of the moment. Lists " +
          "up to a time that is past are as those of transactions where a clock was set back.",
        querystring: reviewQuery,
        response: { 200: pageOf("Review") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const { query } = request;
      const { due_before, created_from, created_to } = query;
      const asked = readTimes({ due_before, created_from, created_to });
      if (!asked.ok) return sendRefusal(reply, asked);
      const { limit, cursor } = readPage(query);
      const terms = await readReviewTerms(deps.store, organisationId);
      const now = deps.clock.now();
      const page = await listReviews(deps.store, organisationId, terms, now, {
        status: query.status,
        assignedTo: query.assigned_to,
        assigned: query.assigned === undefined ? undefined : query.assigned === "true",
        minRiskScore: query.min_risk_score === undefined ? undefined : Number(query.min_risk_score),
        minAmount: query.min_amount === undefined ? undefined : BigInt(query.min_amount),
        maxAmount: query.max_amount === undefined ? undefined : BigInt(query.max_amount),
        currency: query.currency,
        accountId: query.account_id,
        userId: query.user_id,
        dueBefore: asked.times.due_before,
        from: asked.times.created_from,
        to: asked.times.created_to,
        order: query.order ?? "due",
        limit,
        cursor,
      });
      if (!page.ok) return sendRefusal(reply, page);
      return sendObject(
        reply,
        listOf(
          page.reviews.map((review) => presentReview(review, terms, now)),
          page.cursor,
        ),
      );
    },
  );
}

function workRoutes(app: HttpServer, deps: PaymentDeps): void {
  const undecided = ["not_found", "review_already_decided", "review_expired", "contention"] as const satisfies readonly ProblemCode[];

  app.post(
    "/v1/reviews/:id/assign",
    {
      config: {
        access: "key",
        scope: "reviews:write",
        idempotent: true,
        bodyOptional: true,
        problems: [...undecided, "review_already_assigned"],
      },
      schema: {
        operationId: "assignReview",
        tags,
        summary: "Put a review into somebody's hands",
        description:
          "Without a body, into those of the calling key: a claim. A second claim is refused until the review is released. Who has it in " +
          "hand is a matter of order: it does not keep others from deciding.",
        params,
        body: assignBody,
        response: { 200: ref("Review", [{ ...examples.review, ...examples.assigned }]) },
      },
    },
    async (request, reply) => sendExecuted(reply, await assignReview(deps, askedBy(request), request.params.id, request.body.assignee)),
  );

  app.post(
    "/v1/reviews/:id/unassign",
    {
      config: { access: "key", scope: "reviews:write", idempotent: true, problems: [...undecided, "review_not_assigned"] },
      schema: {
        operationId: "unassignReview",
        tags,
        summary: "Release a review",
        description: "Takes it out of the hands it is in, whoever's they are, so that it can be claimed again. Takes no body.",
        params,
        response: { 200: ref("Review") },
      },
    },
    async (request, reply) => sendExecuted(reply, await unassignReview(deps, askedBy(request), request.params.id)),
  );

  app.post(
    "/v1/reviews/:id/notes",
    {
      config: { access: "key", scope: "reviews:write", idempotent: true, problems: ["not_found", "too_many_notes", "contention"] },
      schema: {
        operationId: "createReviewNote",
        tags,
        summary: "Write a note",
        description:
          "Adds to the review's notes, of which there are at most 100 and none is ever changed. Decided reviews take notes, too.",
        params,
        body: noteBody,
        response: { 201: ref("ReviewNote") },
      },
    },
    async (request, reply) => sendExecuted(reply, await addNote(deps, askedBy(request), request.params.id, request.body.text)),
  );
}

function decisionRoute(app: HttpServer, deps: PaymentDeps, verdict: "approve" | "reject"): void {
  const approves = verdict === "approve";
  const onApproval = [
    "second_person_required",
    "account_frozen",
    "account_restricted",
    "account_closed",
    "insufficient_funds",
    "balance_overflow",
  ] as const satisfies readonly ProblemCode[];
  const problems: readonly ProblemCode[] = [
    "not_found",
    "review_already_decided",
    "review_expired",
    "reason_not_allowed",
    "too_many_notes",
    "contention",
    ...(approves ? onApproval : []),
  ];
  app.post(
    `/v1/reviews/:id/${verdict}`,
    {
      config: { access: "key", scope: "reviews:write", idempotent: true, bodyOptional: true, sensitive: true, problems },
      schema: {
        operationId: `${verdict}Review`,
        tags,
        summary: approves ? "Approve: post the payment" : "Reject: release the held funds",
        description: approves
          ? "The held funds move to the payee. A review is decided once. Above `review_four_eyes_above` of the organisation it takes two " +
            "different keys: the first approval makes it `approved_once`, the second decides. The decision labels the transaction."
          : "The payer has the funds back and nothing moves. A review is decided once, and one key is enough to reject. The decision labels " +
            "the transaction, where its reason tells whether it was fraud.",
        params,
        body: decisionBody(verdict),
        response: {
          200: ref("Review", [
            { ...examples.review, ...examples.decided, reason_code: USUAL_REASON[verdict], status: approves ? "approved" : "rejected" },
          ]),
        },
      },
    },
    async (request, reply) => sendExecuted(reply, await judgeReview(deps, askedBy(request), request.params.id, verdict, request.body)),
  );
}
