import type { Operation } from "./operations.ts";
import { REVIEW_LIFE_MS } from "./model.ts";
import type { Scene } from "./scene.ts";
import { accountOf, change, performMovement, release, reserve, move } from "./scene.ts";

/** What increments, captures and voids do. */
export function performOnHold(
  scene: Scene,
  operation: Extract<Operation, { readonly op: "increment" | "capture" | "void" }>,
  id: string,
): void {
  const { model, commit } = scene;
  const hold = model.now.hold(operation.hold);
  if (hold === undefined) throw new Error("a hold that is not there was used");
  const payer = accountOf(scene, hold.from);
  const { currency } = payer;
  if (operation.op === "void") {
    model.holds.set(commit, hold.id, { ...hold, status: "voided" });
    change(scene, release(payer, hold.id), {});
    scene.events.push({ type: "hold.voided", object: hold.id, user: payer.user, amount: hold.amount - hold.captured, currency });
    return;
  }
  const amount = BigInt(operation.body.amount ?? hold.amount - hold.captured);
  if (operation.op === "increment") {
    model.holds.set(commit, hold.id, { ...hold, amount: hold.amount + amount });
    change(scene, reserve(payer, hold.id, hold.amount - hold.captured + amount, hold.until), {});
    // The payee's account remembers whom it was to be paid by.
    change(scene, accountOf(scene, hold.to), {});
    scene.events.push({ type: "hold.incremented", object: hold.id, user: payer.user, amount, currency });
    return;
  }
  const captured = hold.captured + amount;
  if (captured > hold.amount) scene.problems.push(`hold ${hold.id} is captured beyond its amount`);
  const left = operation.body.final === true ? 0n : hold.amount - captured;
  const { reference = hold.reference, metadata = {} } = operation.body;
  const fields = { type: "capture", amount, reference, metadata, hold: hold.id } as const;
  performMovement(scene, id, payer, reserve(payer, hold.id, left, hold.until), accountOf(scene, hold.to), fields);
  model.holds.set(commit, hold.id, { ...hold, captured, status: left === 0n ? "captured" : "active" });
  scene.events.push({ type: "hold.captured", object: hold.id, user: payer.user, amount, currency });
}

/** What deciding a review does: an approval posts the payment, a rejection only releases its funds. */
export function performReview(scene: Scene, id: string, decision: "approve" | "reject"): void {
  const { model, commit, at } = scene;
  const review = model.now.review(id);
  const transaction = review === undefined ? undefined : model.now.transaction(review.transaction);
  if (review === undefined || transaction === undefined) throw new Error("a review that is not there was decided");
  const payer = accountOf(scene, transaction.from);
  const { amount, currency } = transaction;
  const event = { object: id, transaction: transaction.id, user: payer.user, amount, currency };
  const released = release(payer, transaction.id);
  if (decision === "reject") {
    change(scene, released, {});
    // A rejection without a reason says fraud, which the payee's account remembers.
    change(scene, accountOf(scene, transaction.to), {});
    model.transactions.set(commit, transaction.id, { ...transaction, status: "rejected" });
    scene.events.push({ type: "review.rejected", ...event });
  } else {
    const postedAt = move(scene, transaction.id, released, accountOf(scene, transaction.to), amount);
    model.transactions.set(commit, transaction.id, { ...transaction, status: "posted", postedAt });
    const entries = [[transaction.from, -amount] as const, [transaction.to, amount] as const];
    scene.events.push({ type: "review.approved", ...event, entries });
  }
  model.reviews.set(commit, id, { ...review, status: decision === "reject" ? "rejected" : "approved", decidedAt: at });
}

/** What the end of a review's time does: the funds come free, the payment is rejected. */
export function performExpiry(scene: Scene, id: string): void {
  const { model, commit, at } = scene;
  const review = model.now.review(id);
  const transaction = review === undefined ? undefined : model.now.transaction(review.transaction);
  if (review === undefined || transaction === undefined) throw new Error("a review that is not there has expired");
  if (review.status !== "open") scene.problems.push(`review ${id} has expired although it was ${review.status}`);
  const end = review.createdAt + REVIEW_LIFE_MS;
  if (at < end) scene.problems.push(`review ${id} has expired ${end - at} ms too early`);
  const payer = accountOf(scene, transaction.from);
  const { amount, currency } = transaction;
  change(scene, release(payer, transaction.id), {});
  model.transactions.set(commit, transaction.id, { ...transaction, status: "rejected" });
  scene.events.push({ type: "review.expired", object: id, transaction: transaction.id, user: payer.user, amount, currency });
  model.reviews.set(commit, id, { ...review, status: "expired", decidedAt: end });
}
