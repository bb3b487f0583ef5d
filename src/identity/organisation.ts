import type { OrganisationId } from "#kernel/ids.ts";
import type { Collection, Store } from "#storage/index.ts";
import type { PageTerms, PageTermsFields } from "./page-terms.ts";
import { DEFAULT_PAGE_TERMS, pageTermsFromItem, presentPageTerms } from "./page-terms.ts";
import type { ReviewTerms, StoredReviewTerms } from "./review-terms.ts";
import { DEFAULT_REVIEW_TERMS, reviewTermsFromItem, reviewTermsToItem } from "./review-terms.ts";

/** What an organisation may set for itself. */
export interface OrganisationSettings {
  /** Units that all keys together may spend in any minute. */
  readonly rateLimitPerMinute: number;
  /** How high the organisation may set the former. Whoever runs the installation sets this, when the organisation is made. */
  readonly rateLimitCeiling: number;
  /** What a key made without a limit of its own is given. */
  readonly keyRateLimitPerMinute: number;
  /** Which addresses may call at all, as `parseAllowlist` gives them. Empty: every one. */
  readonly ipAllowlist: readonly string[];
  /** How suspicious payments are reviewed; see `reviewTermsOf`. */
  readonly reviews?: ReviewTerms;
  /** How the hosted pages look; see `pageTermsOf`. */
  readonly pages?: PageTerms;
  /** What a user is until somebody says otherwise; see `newUserStatusOf`. */
  readonly newUserStatus?: NewUserStatus;
}

/** `active`: may pay at once. `pending`: not before somebody has set what the verification has come to. */
export const newUserStatuses = ["active", "pending"] as const;
export type NewUserStatus = (typeof newUserStatuses)[number];

/** A tenant: everything belongs to exactly one. */
export interface Organisation {
  readonly id: OrganisationId;
  readonly name: string;
  /** Absent in records from before there were any; see `settingsOf`. */
  readonly settings?: OrganisationSettings;
  readonly createdAt: number;
  readonly version: number;
}

/** The most an organisation may be given, units in any minute. */
export const MAX_ORGANISATION_RATE_LIMIT = 100_000_000;
/** What an organisation is given without being asked, units in any minute. */
const DEFAULT_RATE_LIMIT = 6_000;
/** What a key is given without being asked. */
const DEFAULT_KEY_RATE_LIMIT = 100;

/** A new organisation. A limit for its first key is a limit for all its keys too, if that is more than the usual one. */
export function newOrganisation(id: OrganisationId, name: string, rateLimitPerMinute: number | undefined, at: number): Organisation {
  const limit = Math.max(DEFAULT_RATE_LIMIT, rateLimitPerMinute ?? 0);
  const settings = {
    rateLimitPerMinute: limit,
    rateLimitCeiling: limit,
    keyRateLimitPerMinute: DEFAULT_KEY_RATE_LIMIT,
    ipAllowlist: [],
  };
  return { id, name, settings, createdAt: at, version: 1 };
}

/** What holds for an organisation. One from before there were settings had no limit over all its keys, and keeps having none. */
export function settingsOf(organisation: Organisation): OrganisationSettings {
  return (
    organisation.settings ?? {
      rateLimitPerMinute: MAX_ORGANISATION_RATE_LIMIT,
      rateLimitCeiling: MAX_ORGANISATION_RATE_LIMIT,
      keyRateLimitPerMinute: DEFAULT_KEY_RATE_LIMIT,
      ipAllowlist: [],
    }
  );
}

/** How the organisation wants reviews; the defaults where it has said nothing. */
export function reviewTermsOf(organisation: Organisation | undefined): ReviewTerms {
  return organisation?.settings?.reviews ?? DEFAULT_REVIEW_TERMS;
}

/** How the organisation wants its hosted pages; the defaults where it has said nothing. */
export function pageTermsOf(organisation: Organisation | undefined): PageTerms {
  return organisation?.settings?.pages ?? DEFAULT_PAGE_TERMS;
}

/** What the organisation's users begin as: active where it has said nothing. */
export function newUserStatusOf(organisation: Organisation | undefined): NewUserStatus {
  return organisation?.settings?.newUserStatus ?? "active";
}

export const organisations: Collection<Organisation> = {
  table: "smartfinance-organisations",
  keyOf: (organisation) => ({ hash: organisation.id }),
  toItem: ({ id, name, settings, createdAt, version }) => ({
    id,
    name,
    ...(settings === undefined
      ? {}
      : {
          rate_limit_per_minute: settings.rateLimitPerMinute,
          rate_limit_ceiling: settings.rateLimitCeiling,
          key_rate_limit_per_minute: settings.keyRateLimitPerMinute,
          ip_allowlist: settings.ipAllowlist,
          ...(settings.reviews === undefined ? {} : { reviews: reviewTermsToItem(settings.reviews) }),
          ...(settings.pages === undefined ? {} : { pages: presentPageTerms(settings.pages) }),
          ...(settings.newUserStatus === undefined ? {} : { new_user_status: settings.newUserStatus }),
        }),
    created_at: createdAt,
    version,
  }),
  fromItem(item) {
    const stored = item as unknown as StoredOrganisation;
    const { id, name, created_at: createdAt, version } = stored;
    if (stored.ip_allowlist === undefined) return { id, name, createdAt, version };
    return {
      id,
      name,
      settings: {
        rateLimitPerMinute: stored.rate_limit_per_minute,
        rateLimitCeiling: stored.rate_limit_ceiling,
        keyRateLimitPerMinute: stored.key_rate_limit_per_minute,
        ipAllowlist: stored.ip_allowlist,
        ...(stored.reviews === undefined ? {} : { reviews: reviewTermsFromItem(stored.reviews) }),
        ...(stored.pages === undefined ? {} : { pages: pageTermsFromItem(stored.pages) }),
        ...(stored.new_user_status === undefined ? {} : { newUserStatus: stored.new_user_status }),
      },
      createdAt,
      version,
    };
  },
};

interface StoredOrganisation {
  readonly id: OrganisationId;
  readonly name: string;
  readonly rate_limit_per_minute: number;
  readonly rate_limit_ceiling: number;
  readonly key_rate_limit_per_minute: number;
  readonly ip_allowlist?: readonly string[];
  readonly reviews?: StoredReviewTerms;
  readonly pages?: Required<PageTermsFields>;
  readonly new_user_status?: NewUserStatus;
  readonly created_at: number;
  readonly version: number;
}

export async function readOrganisation(store: Store, id: OrganisationId): Promise<Organisation | undefined> {
  const item = await store.get("smartfinance-organisations", { hash: id });
  return item === undefined ? undefined : organisations.fromItem(item);
}
