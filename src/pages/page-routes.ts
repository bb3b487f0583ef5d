import type { FastifyReply } from "fastify";
import { Type } from "typebox";
import type { HttpServer } from "#http/index.ts";
import { idField, sendRefusal } from "#http/index.ts";
import { readOrganisation } from "#identity/index.ts";
import { refuse } from "#kernel/problems.ts";
import { StoreUnavailableError } from "#storage/index.ts";
import { assetOf } from "./assets.ts";
import type { PagesDeps } from "./deps.ts";
import { languageOf } from "./language.ts";
import { PAGE_POLICY } from "./layout.ts";
import { endedPage, openPage, troublePage } from "./open-page.ts";
import { pageFor } from "./session-page.ts";
import { PLAIN_STYLESHEET, themeOf } from "./theme.ts";
import { visitOf } from "./visit.ts";
import { secretIn, visitorOf } from "./visit-routes.ts";

const config = { access: "public", scope: null } as const;
const STYLES = "text/css; charset=utf-8";

/** What browsers are served: the door, each session's page with its stylesheet, and the files both load. */
export function pageRoutes(app: HttpServer, deps: PagesDeps): void {
  const params = Type.Object({ id: idField("hostedSession") });

  app.get("/hosted", { config, schema: { hide: true } }, (request, reply) =>
    sendPage(reply, 200, openPage(languageOf(request.headers["accept-language"]))),
  );

  app.get(
    "/hosted/assets/:name",
    { config, schema: { hide: true, params: Type.Object({ name: Type.String({ maxLength: 40 }) }) } },
    (request, reply) => {
      const asset = assetOf(request.params.name);
      if (asset === undefined) return sendRefusal(reply, refuse("not_found"));
      // Kept by browsers, and asked about each time: a page never runs with the files of another release.
      reply.header("etag", asset.etag).header("cache-control", "public, no-cache");
      if (request.headers["if-none-match"] === asset.etag) return reply.code(304).send();
      return reply.header("content-type", asset.type).send(asset.bytes);
    },
  );

  app.get("/hosted/:id", { config, schema: { hide: true, params } }, async (request, reply) => {
    const language = languageOf(request.headers["accept-language"]);
    const { id } = request.params;
    const visitor = visitorOf(request, deps.trustedProxyHops);
    try {
      const visit = await visitOf(deps, id, secretIn(request, id, deps), visitor);
      if (!visit.ok && visit.code === "too_many_failures") return await sendPage(reply, 429, troublePage(language));
      if (!visit.ok || visit.session.status === "expired") return await sendPage(reply, 410, endedPage(language));
      return await sendPage(reply, 200, await pageFor(deps, visit.session, language, visitor));
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      return sendPage(reply, 503, troublePage(language));
    }
  });

  app.get("/hosted/:id/theme.css", { config, schema: { hide: true, params } }, async (request, reply) => {
    const { id } = request.params;
    const visit = await visitOf(deps, id, secretIn(request, id, deps), visitorOf(request, deps.trustedProxyHops));
    const organisation = visit.ok ? await readOrganisation(deps.store, visit.session.organisationId) : undefined;
    return reply.header("content-type", STYLES).send(organisation === undefined ? PLAIN_STYLESHEET : themeOf(organisation).stylesheet);
  });
}

function sendPage(reply: FastifyReply, status: number, page: string): FastifyReply {
  return reply
    .code(status)
    .header("content-type", "text/html; charset=utf-8")
    .header("content-security-policy", PAGE_POLICY)
    .header("referrer-policy", "no-referrer")
    .header("cross-origin-opener-policy", "same-origin")
    .header(
      "permissions-policy",
      "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), microphone=(), geolocation=()",
    )
    .send(page);
}
