import { allows, parseAllowlist } from "#access/index.ts";
import type { Asked, CommitQueue, Executed } from "#commit/index.ts";
import { refuseAtOnce, refused, replied, workOn } from "#commit/index.ts";
import { toTimestamp } from "#kernel/clock.ts";
import type { Ids, OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { Store } from "#storage/index.ts";
import type { NewUserStatus, Organisation, OrganisationSettings } from "./organisation.ts";
import { organisations, settingsOf } from "./organisation.ts";
import type { PageTermsFields } from "./page-terms.ts";
import { changePageTerms, DEFAULT_PAGE_TERMS, presentPageTerms } from "./page-terms.ts";
import type { ReviewTermsFields } from "./review-terms.ts";
import { changeReviewTerms, DEFAULT_REVIEW_TERMS, presentReviewTerms } from "./review-terms.ts";

export interface OrganisationDeps {
  readonly store: Store;
  readonly queue: CommitQueue;
  readonly ids: Ids;
  /** Has this process forget what it knew of the organisation; other processes do so within five seconds. */
  readonly forget: (id: OrganisationId) => void;
}

export interface OrganisationFields extends ReviewTermsFields, PageTermsFields {
  readonly name?: string;
  readonly rate_limit_per_minute?: number;
  readonly key_rate_limit_per_minute?: number;
  readonly ip_allowlist?: readonly string[];
  readonly new_user_status?: NewUserStatus;
}

/** The organisation as the API shows it. */
export function presentOrganisation(organisation: Organisation): JsonObject {
  const { id, name, createdAt, version } = organisation;
  return { id, object: "organisation", name, ...presentSettings(settingsOf(organisation)), created_at: toTimestamp(createdAt), version };
}

function presentSettings(settings: OrganisationSettings): JsonObject {
  return {
    rate_limit_per_minute: settings.rateLimitPerMinute,
    rate_limit_ceiling: settings.rateLimitCeiling,
    key_rate_limit_per_minute: settings.keyRateLimitPerMinute,
    ip_allowlist: settings.ipAllowlist,
    new_user_status: settings.newUserStatus ?? "active",
    ...presentReviewTerms(settings.reviews ?? DEFAULT_REVIEW_TERMS),
    ...presentPageTerms(settings.pages ?? DEFAULT_PAGE_TERMS),
  };
}

/** PATCH /v1/organisation. An allow-list must have the address it is set from, so that nobody locks everybody out by a slip. */
export async function changeOrganisation(
  deps: OrganisationDeps,
  asked: Asked,
  body: OrganisationFields,
  ifVersion: number | undefined,
): Promise<Executed> {
  const { organisationId, requestId, ip } = asked.actor;
  const eventId = deps.ids.next("event");
  const allowlist = readAllowlist(body.ip_allowlist, ip ?? "");
  if (!allowlist.ok) return refuseAtOnce(allowlist, requestId);
  const executed = await deps.queue.execute({
    actor: asked.actor,
    idempotency: asked.idempotency,
    needs: [{ collection: organisations, key: { hash: organisationId }, mode: "write" }],
    decide(view, at) {
      const work = workOn(view);
      const organisation = work.get(organisations, { hash: organisationId });
      if (organisation === undefined) return refused(refuse("not_found"), requestId);
      if (ifVersion !== undefined && ifVersion !== organisation.version)
        return refused(refuse("version_conflict", undefined, `The current version is ${organisation.version}.`), requestId);
      const before = settingsOf(organisation);
      const reviews = changeReviewTerms(before.reviews ?? DEFAULT_REVIEW_TERMS, body, at);
      if (!reviews.ok) return refused(reviews, requestId);
      const pages = changePageTerms(before.pages ?? DEFAULT_PAGE_TERMS, body);
      if (!pages.ok) return refused(pages, requestId);
      const settings = {
        ...before,
        rateLimitPerMinute: body.rate_limit_per_minute ?? before.rateLimitPerMinute,
        keyRateLimitPerMinute: body.key_rate_limit_per_minute ?? before.keyRateLimitPerMinute,
        ipAllowlist: allowlist.entries ?? before.ipAllowlist,
        newUserStatus: body.new_user_status ?? before.newUserStatus ?? "active",
        reviews: reviews.terms,
        pages: pages.terms,
      };
      if (settings.rateLimitPerMinute > settings.rateLimitCeiling) {
        const detail = `The organisation may have at most ${settings.rateLimitCeiling}.`;
        return refused(refuse("beyond_own_permissions", "rate_limit_per_minute", detail), requestId);
      }
      const changed = { ...organisation, name: body.name ?? organisation.name, settings, version: organisation.version + 1 };
      work.put(organisations, changed);
      work.tell({
        id: eventId,
        type: "organisation.updated",
        objectId: organisationId,
        details: {
          before: { name: organisation.name, ...presentSettings(before) },
          after: { name: changed.name, ...presentSettings(settings) },
        },
      });
      return work.outcome(replied(200, presentOrganisation(changed)));
    },
  });
  deps.forget(organisationId);
  return executed;
}

type Entries = { readonly ok: true; readonly entries: readonly string[] | undefined };

function readAllowlist(list: readonly string[] | undefined, ip: string): Entries | Refusal {
  if (list === undefined) return { ok: true, entries: undefined };
  const parsed = parseAllowlist(list);
  if (!parsed.ok) return parsed;
  return allows(parsed.matcher, ip) ? parsed : refuse("would_lock_out", "ip_allowlist", `The call came from ${ip}.`);
}
