import type { RiskProfile } from "#risk/index.ts";
import { riskProfileFromItem, riskProfileToItem } from "#risk/index.ts";
import type { Collection } from "#storage/index.ts";

/** The payers' risk profiles, loaded and written with the money. */
export const riskProfiles: Collection<RiskProfile> = {
  table: "smartfinance-risk-profiles",
  keyOf: (profile) => ({ hash: profile.id }),
  toItem: riskProfileToItem,
  fromItem: riskProfileFromItem,
};
