import type { Approval } from "#authentications/index.ts";
import { readAuthentication, showAuthentication } from "#authentications/index.ts";
import { factorsOf } from "#factors/index.ts";
import { readOrganisation } from "#identity/index.ts";
import { parseTimestamp } from "#kernel/clock.ts";
import { canBeAnswered } from "./approve-actions.ts";
import { answeredPage, approvePage } from "./approve-page.ts";
import { completeSession } from "./complete-session.ts";
import type { PagesDeps } from "./deps.ts";
import { enrolledPage, enrolPage } from "./enrol-page.ts";
import type { Language } from "./language.ts";
import { sayIn } from "./language.ts";
import type { HostedSession } from "./session.ts";
import { themeOf } from "./theme.ts";
import type { Visitor } from "./visit.ts";
import { subjectOf } from "./visit.ts";

/** The page of a session that is opened or completed. */
export async function pageFor(deps: PagesDeps, session: HostedSession, language: Language, visitor: Visitor): Promise<string> {
  const organisation = await readOrganisation(deps.store, session.organisationId);
  const facts = { session, language, say: sayIn(language), theme: themeOf(organisation) };
  const over = session.status === "completed";
  if (session.purpose === "enrol") {
    return over ? enrolledPage(facts) : enrolPage({ ...facts, factors: await factorsOf(deps, subjectOf(session)) });
  }
  const found =
    over || session.authenticationId === null
      ? undefined
      : await readAuthentication(deps.store, session.organisationId, session.authenticationId);
  if (found === undefined) return answeredPage(facts);
  const shown = await showAuthentication(deps, found);
  if (shown["status"] === "succeeded" || shown["status"] === "consumed") {
    // The answer to the approval was lost between the two commits: what was approved is written down now.
    await completeSession(deps, session, "approved", visitor);
    return answeredPage({ ...facts, session: { ...session, result: "approved" } });
  }
  if (shown["status"] !== "pending" || !(await canBeAnswered(deps, found))) return answeredPage(facts);
  return approvePage({
    ...facts,
    // As the API shows it, which is member by member what is signed.
    approval: shown["approval"] as unknown as Approval,
    challenge: String(shown["challenge"]),
    expiresAt: parseTimestamp(String(shown["expires_at"])),
  });
}
