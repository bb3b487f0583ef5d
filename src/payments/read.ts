import type { ReviewTerms } from "#identity/index.ts";
import { readOrganisation, reviewTermsOf } from "#identity/index.ts";
import type { OrganisationId, ReviewId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import type { Review } from "./review.ts";
import { reviews } from "./review.ts";

/** A review of this organisation; another's reads like an unknown one. */
export async function readReview(store: Store, organisationId: OrganisationId, id: ReviewId): Promise<Review | undefined> {
  const item = await store.get("smartfinance-reviews", { hash: id });
  return item === undefined || item.organisation_id !== organisationId ? undefined : reviews.fromItem(item);
}

/** How an organisation wants reviews now. */
export async function readReviewTerms(store: Store, organisationId: OrganisationId): Promise<ReviewTerms> {
  return reviewTermsOf(await readOrganisation(store, organisationId));
}
