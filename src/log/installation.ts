import type { Actor, EventDraft } from "#audit/index.ts";
import type { OrganisationId } from "#kernel/ids.ts";

/**
 * Whose events those are that concern the whole installation and no organisation: the first id there is, which no organisation is ever
 * given, since its time is the year 1970. They are leaves like all others, and everybody who may read the audit log may read them.
 */
export const INSTALLATION = "org_00000000000000000000000000" as OrganisationId;

/** What the installation does by itself. */
export const byInstallation: Actor = { organisationId: INSTALLATION, apiKeyId: null, ip: null, userAgent: null, requestId: null };

/** An event of the installation itself. */
export type InstallationEvent = Pick<EventDraft, "type" | "details">;
