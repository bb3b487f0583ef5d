import assert from "node:assert/strict";
import { openClient } from "./client.ts";
import type { History } from "./history.ts";
import type { Seeded } from "./seed-store.ts";

/** Enough payments to make a customer's habits and a burst of them. */
const CALM_PAYMENTS = 12;
/** Minor units: thirty thousand euros, of somebody who pays ten at a time. */
const STARTLING_AMOUNT = 3_000_000;

/**
 * Leaves behind what a crash must not lose: a payment that waits for a reviewer, with its funds held.
 * @param customer the number of an account that nobody else uses, a new one each time
 * @returns the review's id
 */
export async function leaveReviewOpen(history: History, seeded: Seeded, port: number, customer: number): Promise<string> {
  const client = openClient(port, seeded.apiKey);
  const from = seeded.accounts[customer];
  const usual = { from_account_id: from, to_account_id: seeded.accounts[0], amount: 1_000, currency: "EUR" };
  try {
    for (let n = 0; n < CALM_PAYMENTS; n++) {
      const body = JSON.stringify({ ...usual, context: { device_id: "own", country: "DE", user_agent: "own" } });
      await history.settle(client, { path: "/v1/transfers", key: `calm-${customer}-${n}`, body });
    }
    // Two at least, however little the load gets done on a busy machine.
    for (const key of ["one", "two"])
      await history.settle(client, { path: "/v1/holds", key: `hold-${customer}-${key}`, body: JSON.stringify(usual) });
    const startling = {
      ...usual,
      to_account_id: seeded.accounts[1],
      amount: STARTLING_AMOUNT,
      context: { device_id: "other", country: "US", user_agent: "other" },
    };
    const kept = await history.settle(client, { path: "/v1/transfers", key: `startling-${customer}`, body: JSON.stringify(startling) });
    assert.equal(kept.status, 202, `the payment waits for a review: ${kept.body}`);
    return (JSON.parse(kept.body) as { readonly review_id: string }).review_id;
  } finally {
    client.close();
  }
}

/** After the crash: the review can be decided, once; holds can be captured in part and voided. */
export async function usePendingState(history: History, seeded: Seeded, port: number, review: string): Promise<void> {
  const client = openClient(port, seeded.apiKey);
  try {
    const open = await client.get("/v1/reviews?status=open");
    assert.ok(open.body.includes(review), "the review is still open");
    const approved = await history.settle(client, { path: `/v1/reviews/${review}/approve`, key: `approve-${review}`, body: "{}" });
    assert.equal((JSON.parse(approved.body) as { readonly status: string }).status, "approved");
    const twice = await client.post({ path: `/v1/reviews/${review}/reject`, key: `reject-${review}`, body: "{}" });
    assert.equal(twice.status, 409, `a review is decided once: ${twice.body}`);

    const [captured, voided] = history.holds.splice(0);
    assert.ok(captured !== undefined && voided !== undefined, "the load authorised two holds at least");
    const part = JSON.stringify({ amount: 1 });
    const capture = await history.settle(client, { path: `/v1/holds/${captured}/capture`, key: `capture-${captured}`, body: part });
    assert.equal(capture.status, 201, capture.body);
    const release = await history.settle(client, { path: `/v1/holds/${voided}/void`, key: `void-${voided}`, body: "{}" });
    assert.equal((JSON.parse(release.body) as { readonly status: string }).status, "voided");
  } finally {
    client.close();
  }
}
