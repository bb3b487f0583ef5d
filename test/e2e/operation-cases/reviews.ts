import type { MovableClock, Organisation } from "#test/support/app.ts";
import { ok } from "#test/support/http-client.ts";
import { suspect } from "../suspicious.ts";
import type { OperationCases } from "./case.ts";
import { reads } from "./case.ts";

export async function openReview(organisation: Organisation, clock: MovableClock): Promise<string> {
  return ok(await (await suspect(organisation, clock)).pay(), 202).review_id;
}

/** Reviews and what is known of a payment's risk. */
export const reviewCases: OperationCases = {
  getReview: reads((_organisation, { rev }) => ({ id: rev })),
  listReviews: reads((_organisation, { acc, usr }) => ({ query: { limit: "1", status: "open", account_id: acc, user_id: usr } })),
  listReviewNotes: reads((_organisation, { rev }) => ({ id: rev, query: { limit: "1" } })),
  listLinkedTransactions: reads((_organisation, { rev }) => ({ id: rev, query: { by: "payee", days: "30", limit: "1" } })),
  assignReview: {
    prepare: async (organisation, _landmarks, clock) => ({ id: await openReview(organisation, clock), body: { assignee: "analyst-7" } }),
    status: 200,
    events: ["review.assigned"],
  },
  unassignReview: {
    async prepare(organisation, _landmarks, clock) {
      const id = await openReview(organisation, clock);
      ok(await organisation.api.post(`/v1/reviews/${id}/assign`), 200);
      return { id };
    },
    status: 200,
    events: ["review.unassigned"],
  },
  createReviewNote: {
    prepare: async (organisation, _landmarks, clock) => ({ id: await openReview(organisation, clock), body: { text: "Called back." } }),
    status: 201,
    events: ["review.noted"],
  },
  approveReview: {
    prepare: async (organisation, _landmarks, clock) => ({
      id: await openReview(organisation, clock),
      body: { reason_code: "customer_confirmed", note: "Called back." },
    }),
    status: 200,
    sensitive: true,
    events: ["review.approved"],
  },
  rejectReview: {
    prepare: async (organisation, _landmarks, clock) => ({
      id: await openReview(organisation, clock),
      body: { reason_code: "confirmed_fraud", note: "Called back." },
    }),
    status: 200,
    sensitive: true,
    events: ["review.rejected"],
  },

  createRiskLabel: {
    prepare: (_organisation, { txn }) => ({ body: { transaction_id: txn, label: "fraud", source: "dispute" } }),
    status: 201,
    sensitive: true,
    events: ["risk.labelled"],
  },
  getRiskAssessment: reads((_organisation, { txn }) => ({ id: txn })),
  listRiskLabels: reads((_organisation, { txn }) => ({ query: { transaction_id: txn, limit: "1" } })),
};
