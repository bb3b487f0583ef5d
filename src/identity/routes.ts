import { Type } from "typebox";
import { askedBy } from "#commit/index.ts";
import type { HttpServer } from "#http/index.ts";
import {
  described,
  idField,
  listOf,
  pageOf,
  pageParameters,
  readPage,
  readTimes,
  ref,
  sendExecuted,
  sendObject,
  sendRefusal,
  sendVersioned,
  timeParameter,
  versionSeen,
  versionTagHeader,
} from "#http/index.ts";
import { refuse } from "#kernel/problems.ts";
import { changeUserStatus, closeUser } from "./change-user-status.ts";
import { createUser } from "./create-user.ts";
import type { IdentityDeps } from "./deps.ts";
import { eraseUser } from "./erase-user.ts";
import { listUsers } from "./list-users.ts";
import { normaliseEmail } from "./normalise.ts";
import { presentUser } from "./present-user.ts";
import {
  createUserBody,
  emailField,
  phoneField,
  updateUserBody,
  userSchema,
  userStatusBody,
  userStatusField,
  userTypeField,
} from "./schema.ts";
import { updateUser } from "./update-user.ts";
import { readUser } from "./user.ts";

/** Routes of users. */
export function identityRoutes(app: HttpServer, deps: IdentityDeps): void {
  app.addSchema(userSchema);
  const tags = ["Users"];
  const params = Type.Object({ id: idField("user") });

  app.post(
    "/v1/users",
    {
      config: { access: "key", scope: "users:write", idempotent: true, problems: ["user_erased"] },
      schema: {
        operationId: "createUser",
        tags,
        summary: "Create a user",
        description:
          "A new user is `active`, or `pending` where the organisation wants that. A repetition under the same Idempotency-Key gives the same bytes, unless the user has been erased " +
          "since: then it is refused as `user_erased`.",
        body: createUserBody,
        response: { 201: ref("User") },
      },
    },
    async (request, reply) => sendExecuted(reply, await createUser(deps, askedBy(request), request.body)),
  );

  app.get(
    "/v1/users/:id",
    {
      config: { access: "key", scope: "users:read", sends: ["ETag"], problems: ["not_found"] },
      schema: {
        operationId: "getUser",
        tags,
        summary: "Get a user",
        description: "With its personal data, as long as it is not erased.",
        params,
        response: { 200: ref("User") },
      },
    },
    async (request, reply) => {
      const user = await readUser(deps.store, request.caller.principal.organisationId, request.params.id);
      if (user === undefined) return sendRefusal(reply, refuse("not_found"));
      reply.header("etag", `"${user.version}"`);
      return sendObject(reply, await presentUser(deps, user));
    },
  );

  app.get(
    "/v1/users",
    {
      config: { access: "key", scope: "users:read", cost: 2, problems: ["invalid_cursor"] },
      schema: {
        operationId: "listUsers",
        tags,
        summary: "List users, newest first",
        description:
          "`email` and `phone` find the users with exactly this address (without regard to case) or number, by keyed hashes. The list " +
          "may lag behind a change by a moment, and with several filters a page may be shorter than asked for although more follow. Lists " +
          "up to a time that is past are as those of transactions where a clock was set back.",
        querystring: Type.Object(
          {
            ...pageParameters,
            status: Type.Optional(userStatusField),
            type: Type.Optional(userTypeField),
            email: Type.Optional(emailField),
            phone: Type.Optional(phoneField),
            created_from: described(timeParameter, "Only users created at this time or later, RFC 3339."),
            created_to: described(timeParameter, "Only users created at this time or earlier, RFC 3339."),
          },
          { additionalProperties: false },
        ),
        response: { 200: pageOf("User") },
      },
    },
    async (request, reply) => {
      const { status, type, email, phone, created_from, created_to } = request.query;
      if (email !== undefined && normaliseEmail(email) === undefined)
        return sendRefusal(reply, refuse("invalid_request", "email", "This is no e-mail address."));
      const asked = readTimes({ created_from, created_to });
      if (!asked.ok) return sendRefusal(reply, asked);
      const { created_from: from, created_to: to } = asked.times;
      const filter = { ...readPage(request.query), status, type, email, phone, from, to };
      const page = await listUsers(deps, request.caller.principal.organisationId, filter);
      if (!page.ok) return sendRefusal(reply, page);
      return sendObject(reply, listOf(await Promise.all(page.users.map((user) => presentUser(deps, user))), page.cursor));
    },
  );

  app.patch(
    "/v1/users/:id",
    {
      config: { access: "key", scope: "users:write", sends: ["ETag"], problems: ["not_found", "version_conflict", "user_erased"] },
      schema: {
        operationId: "updateUser",
        tags,
        summary: "Change a user",
        description:
          "`null` clears a field. `If-Match` with the `ETag` seen before refuses the change when the user has changed since. A closed " +
          "user can still be corrected, an erased one cannot.",
        params,
        headers: Type.Object({ "if-match": versionTagHeader }),
        body: updateUserBody,
        response: { 200: ref("User") },
      },
    },
    async (request, reply) => {
      const version = versionSeen(request.headers);
      return sendVersioned(reply, await updateUser(deps, askedBy(request), request.params.id, request.body, version));
    },
  );

  app.post(
    "/v1/users/:id/status",
    {
      config: {
        access: "key",
        scope: "users:verify",
        sensitive: true,
        sends: ["ETag"],
        problems: ["not_found", "version_conflict", "user_status_conflict", "user_erased", "contention"],
      },
      schema: {
        operationId: "setUserStatus",
        tags,
        summary: "Set what a user's verification has come to",
        description:
          "A `pending` or `restricted` user becomes `active`, a `pending` or `active` one `restricted`. From the same moment on no payment " +
          "leaves any account that a restricted user owns or stands behind; money may still come in, unless the user was `pending` until then.",
        params,
        headers: Type.Object({ "if-match": versionTagHeader }),
        body: userStatusBody,
        response: { 200: ref("User") },
      },
    },
    async (request, reply) => {
      const version = versionSeen(request.headers);
      return sendVersioned(reply, await changeUserStatus(deps, askedBy(request), request.params.id, request.body, version));
    },
  );

  app.post(
    "/v1/users/:id/close",
    {
      config: {
        access: "key",
        scope: "users:write",
        problems: ["not_found", "user_status_conflict", "user_has_open_accounts", "user_erased"],
      },
      schema: {
        operationId: "closeUser",
        tags,
        summary: "Close a user",
        description:
          "For good, and only once every account that the user holds is closed. An account held with others can be left instead.",
        params,
        response: { 200: ref("User") },
      },
    },
    async (request, reply) => sendExecuted(reply, await closeUser(deps, askedBy(request), request.params.id)),
  );

  app.post(
    "/v1/users/:id/erase",
    {
      config: {
        access: "key",
        scope: "users:write",
        sensitive: true,
        problems: ["not_found", "user_status_conflict", "user_erased"],
      },
      schema: {
        operationId: "eraseUser",
        tags,
        summary: "Erase a user's personal data",
        description:
          "Destroys the keys under which the user's personal data is sealed, for good, and takes the user out of every search. Only closed " +
          "users can be erased. The user stays as an id with `erased_at` and without personal data; accounts, transactions and audit " +
          "events stay, because the duty to keep books outlives the customer. No retention time is imposed: if the law asks you to keep " +
          "who your customer was (in the EU five years after the relation has ended), call this afterwards.",
        params,
        response: { 200: ref("User") },
      },
    },
    async (request, reply) => sendExecuted(reply, await eraseUser(deps, askedBy(request), request.params.id)),
  );
}
