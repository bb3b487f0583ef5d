import { Type } from "typebox";
import type { HttpServer } from "#http/index.ts";
import { idField, ref, sendExecuted } from "#http/index.ts";
import type { FactorDeps } from "./deps.ts";
import { onUser, withProof } from "./on-user.ts";
import { noProof, noChange, tags, writes } from "./route-terms.ts";
import * as schemas from "./schema.ts";
import { activateCodeFactor, sendCode, startCodeFactor } from "./send-code.ts";

/** Routes of the addresses of users that codes are sent to. */
export function sentCodeRoutes(app: HttpServer, deps: FactorDeps): void {
  const ofUser = Type.Object({ id: idField("user") });
  const ofFactor = Type.Object({ id: idField("user"), factor_id: idField("factor") });

  app.post(
    "/v1/users/:id/codes",
    {
      config: { ...writes, problems: [...noChange, "limit_reached", "authentication_blocked", "code_sent_lately", "code_not_sent"] },
      schema: {
        operationId: "startCodeFactor",
        tags,
        summary: "Begin to enrol an address that codes are sent to",
        description: "Sends a code there, which `activateCodeFactor` wants within ten minutes.",
        params: ofUser,
        body: schemas.startCodeBody,
        response: { 201: ref("NewCodeFactor") },
      },
    },
    async (request, reply) =>
      sendExecuted(reply, await onUser(deps, request, (asked, subject) => startCodeFactor(deps, asked, subject, request.body))),
  );

  app.post(
    "/v1/users/:id/codes/:factor_id/send",
    {
      config: { ...writes, problems: [...noChange, "authentication_blocked", "code_sent_lately", "code_not_sent"] },
      schema: {
        operationId: "sendFactorCode",
        tags,
        summary: "Send a code",
        description:
          "Six digits, good for ten minutes and five tries; the code before is void. The next one can be sent 30 seconds later, and ten " +
          "within a day; to one user, whatever the addresses, twenty.",
        params: ofFactor,
        response: { 202: ref("SentCode") },
      },
    },
    async (request, reply) => {
      const { factor_id: id } = request.params;
      return sendExecuted(reply, await onUser(deps, request, (asked, subject) => sendCode(deps, asked, subject, id)));
    },
  );

  app.post(
    "/v1/users/:id/codes/:factor_id/activate",
    {
      config: { ...writes, problems: [...noChange, ...noProof, "factor_not_pending", "factor_code_wrong"] },
      schema: {
        operationId: "activateCodeFactor",
        tags,
        summary: "Put an address that codes are sent to into use",
        description: "With the code that came. Needs a `proof` as soon as the user has a factor. The user is told.",
        params: ofFactor,
        body: schemas.activateBody,
        response: { 200: ref("Factor") },
      },
    },
    async (request, reply) => {
      const { factor_id: id } = request.params;
      return sendExecuted(
        reply,
        await withProof(deps, request, (asked, subject, body) => activateCodeFactor(deps, asked, subject, id, body)),
      );
    },
  );
}
