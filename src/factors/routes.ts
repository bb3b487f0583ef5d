import { Type } from "typebox";
import type { HttpServer } from "#http/index.ts";
import { idField, listOf, pageOf, ref, sendExecuted, sendObject, sendRefusal } from "#http/index.ts";
import { readUser } from "#identity/index.ts";
import { refuse } from "#kernel/problems.ts";
import { challengeFactor } from "./challenges.ts";
import { sentCodeRoutes } from "./code-routes.ts";
import { enrolmentRoutes } from "./enrolment-routes.ts";
import type { FactorDeps } from "./deps.ts";
import { onUser, subjectOf, withProof } from "./on-user.ts";
import { factorsOf } from "./present-factor.ts";
import { removeFactor, unblockFactors } from "./remove-factor.ts";
import { noChange, noProof, noUser, onlyApproved, reads, resets, tags, unblocks, writes } from "./route-terms.ts";
import * as schemas from "./schema.ts";

/** Routes of the factors of users, for the organisation's own systems. */
export function factorRoutes(app: HttpServer, deps: FactorDeps): void {
  for (const schema of [
    schemas.factorSchema,
    schemas.newTotpSchema,
    schemas.newRecoveryCodesSchema,
    schemas.newCodeFactorSchema,
    schemas.sentCodeSchema,
    schemas.passkeyOptionsSchema,
    schemas.factorChallengeSchema,
    schemas.removedFactorSchema,
    schemas.factorLockSchema,
  ])
    app.addSchema(schema);
  const ofUser = Type.Object({ id: idField("user") });
  const ofFactor = Type.Object({ id: idField("user"), factor_id: idField("factor") });

  app.get(
    "/v1/users/:id/factors",
    {
      config: { ...reads, problems: ["not_found", "user_erased"] },
      schema: {
        operationId: "listFactors",
        tags,
        summary: "List a user's factors",
        description: "All of them, oldest first; there are so few that one page has them all. Nothing secret is shown.",
        params: ofUser,
        response: { 200: pageOf("Factor") },
      },
    },
    async (request, reply) => {
      const { organisationId } = request.caller.principal;
      const user = await readUser(deps.store, organisationId, request.params.id);
      if (user === undefined) return sendRefusal(reply, refuse("not_found"));
      if (user.erasedAt !== null) return sendRefusal(reply, refuse("user_erased"));
      return sendObject(reply, listOf(await factorsOf(deps, subjectOf(organisationId, user.id)), undefined));
    },
  );

  app.post(
    "/v1/users/:id/factors/challenge",
    {
      config: { ...writes, problems: [...noChange, "no_factor"] },
      schema: {
        operationId: "createFactorChallenge",
        tags,
        summary: "Get a challenge for a proof by passkey",
        description:
          "For the user's browser or app to have signed; the answer goes into the `proof` of another call, once, within five minutes.",
        params: ofUser,
        response: { 201: ref("FactorChallenge") },
      },
    },
    async (request, reply) => sendExecuted(reply, await onUser(deps, request, (asked, subject) => challengeFactor(deps, asked, subject))),
  );

  app.post(
    "/v1/users/:id/factors/unblock",
    {
      config: { ...unblocks, problems: [...noUser, "no_factor"] },
      schema: {
        operationId: "unblockFactors",
        tags,
        summary: "Have a user's attempts looked at again",
        description:
          "Five attempts that fail in a row block further ones for 15 minutes, then 30, 60 and 120, and the fifth time for good. This " +
          "lifts the block and changes no factor. Make sure first who asks for it.",
        params: ofUser,
        response: { 200: ref("FactorLock") },
      },
    },
    async (request, reply) =>
      sendExecuted(reply, await onUser(deps, request, (asked, subject) => unblockFactors(deps, asked, subject), { byOperators: true })),
  );

  app.post(
    "/v1/users/:id/factors/reset",
    {
      config: { ...resets, problems: [...noUser, "no_factor"] },
      schema: {
        operationId: "resetFactors",
        tags,
        summary: "Ask to take all factors from a user",
        description:
          "For a user who can prove none any more, and whom you have identified anew. Always needs approval by a second person. Then all " +
          "factors are gone, with everything that was begun: pending authentications, links to hosted pages, blocks. The next factor is " +
          "the first, and enrolled without a proof. The user is told.",
        params: ofUser,
        body: schemas.resetBody,
        response: {},
      },
    },
    onlyApproved,
  );

  app.delete(
    "/v1/users/:id/factors/:factor_id",
    {
      config: { ...writes, bodyOptional: true, problems: [...noChange, ...noProof, "last_factor"] },
      schema: {
        operationId: "removeFactor",
        tags,
        summary: "Remove a factor",
        description:
          "Needs a `proof`, which a recovery code is not enough for. The last factor that is no set of recovery codes stays. Factors " +
          "that are still `pending` go without proof. The user is told.",
        params: ofFactor,
        body: schemas.proofBody,
        response: { 200: ref("RemovedFactor") },
      },
    },
    async (request, reply) => {
      const { factor_id: id } = request.params;
      return sendExecuted(reply, await withProof(deps, request, (asked, subject, body) => removeFactor(deps, asked, subject, id, body)));
    },
  );

  enrolmentRoutes(app, deps);
  sentCodeRoutes(app, deps);
}
