import type { Organisation } from "#test/support/app.ts";
import { newSession, RETURN_ORIGIN } from "#test/support/hosted-pages.ts";
import { ok } from "#test/support/http-client.ts";
import type { Landmarks, OperationCases } from "./case.ts";
import { reads } from "./case.ts";

/** A visit of a customer, and the settings that it needs. */
export async function pageLandmarks(organisation: Organisation): Promise<Pick<Landmarks, "hps">> {
  ok(await organisation.api.patch("/v1/organisation", { pages_return_origins: [RETURN_ORIGIN] }), 200);
  return { hps: (await newSession(organisation, { user_id: await organisation.user(), purpose: "enrol" })).id };
}

/** Hosted sessions. What the pages themselves talk to is no part of the API. */
export const pageCases: OperationCases = {
  createHostedSession: {
    prepare: (_organisation, { usr }) => ({ body: { user_id: usr, purpose: "enrol", return_url: `${RETURN_ORIGIN}/done` } }),
    status: 201,
    sensitive: true,
    events: ["hosted_session.created"],
    excluded: { authentication_id: "aut_01J0000000000000000000000B" },
  },
  getHostedSession: reads((_organisation, { hps }) => ({ id: hps })),
};
