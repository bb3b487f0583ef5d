import { Type } from "typebox";
import type { HttpServer } from "#http/index.ts";
import { idField, ref, sendExecuted } from "#http/index.ts";
import { addPasskey } from "./add-passkey.ts";
import { createRecoveryCodes } from "./add-recovery-codes.ts";
import { activateTotp, startTotp } from "./add-totp.ts";
import { startPasskey } from "./challenges.ts";
import type { FactorDeps } from "./deps.ts";
import { onUser, withProof } from "./on-user.ts";
import { noProof, noChange, tags, writes } from "./route-terms.ts";
import * as schemas from "./schema.ts";

/** Routes by which users get passkeys, authenticator apps and recovery codes. */
export function enrolmentRoutes(app: HttpServer, deps: FactorDeps): void {
  const ofUser = Type.Object({ id: idField("user") });
  const ofFactor = Type.Object({ id: idField("user"), factor_id: idField("factor") });

  app.post(
    "/v1/users/:id/passkeys/options",
    {
      config: { ...writes, bodyOptional: true, problems: noChange },
      schema: {
        operationId: "createPasskeyOptions",
        tags,
        summary: "Begin to register a passkey",
        description: "Gives what the user's browser makes a passkey from. User verification (a PIN, a finger, a face) is required.",
        params: ofUser,
        body: schemas.passkeyOptionsBody,
        response: { 201: ref("PasskeyOptions") },
      },
    },
    async (request, reply) =>
      sendExecuted(reply, await onUser(deps, request, (asked, subject) => startPasskey(deps, asked, subject, request.body))),
  );

  app.post(
    "/v1/users/:id/passkeys",
    {
      config: {
        ...writes,
        problems: [...noChange, ...noProof, "passkey_invalid", "passkey_known", "passkey_not_device_bound", "limit_reached"],
      },
      schema: {
        operationId: "addPasskey",
        tags,
        summary: "Register a passkey",
        description:
          "Takes the browser's answer to `createPasskeyOptions`, once, within five minutes. ES256, EdDSA and RS256; attestation `none` and " +
          "`packed`. Needs a `proof` as soon as the user has a factor. The user is told.",
        params: ofUser,
        body: schemas.addPasskeyBody,
        response: { 201: ref("Factor") },
      },
    },
    async (request, reply) =>
      sendExecuted(reply, await withProof(deps, request, (asked, subject, body) => addPasskey(deps, asked, subject, body))),
  );

  app.post(
    "/v1/users/:id/totp",
    {
      config: { ...writes, bodyOptional: true, idempotent: "refused", problems: [...noChange, "limit_reached"] },
      schema: {
        operationId: "startTotp",
        tags,
        summary: "Begin to enrol an authenticator app",
        description:
          "Shows the secret once; it is not kept in replies, so this operation takes no Idempotency-Key. It proves nothing until " +
          "`activateTotp`, within ten minutes.",
        params: ofUser,
        body: schemas.startTotpBody,
        response: { 201: ref("NewTotp") },
      },
    },
    async (request, reply) =>
      sendExecuted(reply, await onUser(deps, request, (asked, subject) => startTotp(deps, asked, subject, request.body))),
  );

  app.post(
    "/v1/users/:id/totp/:factor_id/activate",
    {
      config: { ...writes, problems: [...noChange, ...noProof, "factor_not_pending", "factor_code_wrong"] },
      schema: {
        operationId: "activateTotp",
        tags,
        summary: "Put an authenticator app into use",
        description: "With a code that the app shows. Needs a `proof` as soon as the user has a factor. The user is told.",
        params: ofFactor,
        body: schemas.activateBody,
        response: { 200: ref("Factor") },
      },
    },
    async (request, reply) => {
      const { factor_id: id } = request.params;
      return sendExecuted(reply, await withProof(deps, request, (asked, subject, body) => activateTotp(deps, asked, subject, id, body)));
    },
  );

  app.post(
    "/v1/users/:id/recovery-codes",
    {
      config: { ...writes, bodyOptional: true, idempotent: "refused", problems: [...noChange, ...noProof, "no_factor"] },
      schema: {
        operationId: "createRecoveryCodes",
        tags,
        summary: "Make recovery codes",
        description:
          "Ten codes that work once each, shown once; a set made before is void. They let the user enrol a new factor when a device is lost, and " +
          "remove nothing. Needs another factor and the `proof` of it, which a recovery code is not enough for.",
        params: ofUser,
        body: schemas.proofBody,
        response: { 201: ref("NewRecoveryCodes") },
      },
    },
    async (request, reply) =>
      sendExecuted(reply, await withProof(deps, request, (asked, subject, body) => createRecoveryCodes(deps, asked, subject, body))),
  );
}
