import { hash } from "node:crypto";
import fastify from "fastify";
import type { FastifyInstance, FastifyReply } from "fastify";
import { refuse } from "#kernel/problems.ts";
import type { HttpServer } from "./contract.ts";
import type { Encoded } from "./encoded.ts";
import { encoded, sendEncoded } from "./encoded.ts";
import { buildOpenApi } from "./openapi.ts";
import { sendRefusal } from "./send.ts";

const INLINE_SCRIPT = /<script(?![^>]*\bsrc=)[^>]*>([\s\S]*?)<\/script>/g;

/**
 * `/openapi.json` and the human documentation under `/docs/`, both public. The viewer (5 MB, 75 ms to load)
 * is loaded when it is first asked for and lives in a Fastify instance of its own that is reached by
 * injection, so the API's routes and start-up know nothing of it.
 */
export function registerDocs(app: HttpServer, create: () => Promise<FastifyInstance> = createViewer): void {
  app.get("/openapi.json", { config: { access: "public", scope: null }, schema: { hide: true } }, async (request, reply) =>
    sendEncoded(request, reply.header("content-type", "application/json; charset=utf-8"), await description()),
  );
  // One buffer for all: a string of megabytes would be made into bytes, and compressed, anew for everyone who asks.
  let described: Promise<Encoded> | undefined;
  const description = (): Promise<Encoded> =>
    (described ??= buildOpenApi(app)
      .then((text) => encoded(Buffer.from(text)))
      .catch((error: unknown) => {
        described = undefined;
        throw error;
      }));
  let policy: string | undefined;
  let viewer: Promise<FastifyInstance> | undefined;
  const load = (): Promise<FastifyInstance> =>
    (viewer ??= create().catch((error: unknown) => {
      // The next one who asks tries again.
      viewer = undefined;
      throw error;
    }));
  // Kept, and each the same buffer for all: 5 MB made anew for everyone who asks and reads slowly would be a way to use up the memory.
  const kept = new Map<string, Promise<Encoded | undefined>>();
  const asset = (path: string): Promise<Encoded | undefined> => {
    const known = kept.get(path) ?? read(path);
    kept.set(path, known);
    return known;
  };
  async function read(path: string): Promise<Encoded | undefined> {
    try {
      const found = await (await load()).inject(path);
      if (found.statusCode === 200) return await encoded(found.rawPayload);
      kept.delete(path);
      return undefined;
    } catch (error) {
      kept.delete(path);
      throw error;
    }
  }
  app.addHook("onClose", async () => {
    // One that cannot be loaded needs no closing, and whoever asked for it is told.
    await (await viewer?.catch(() => undefined))?.close();
  });
  const hidden = { config: { access: "public", scope: null }, schema: { hide: true } } as const;
  app.get("/", hidden, (_request, reply) => reply.redirect("/docs/", 307));
  app.get("/docs", hidden, (_request, reply) => reply.redirect("/docs/", 308));
  app.get("/docs/", hidden, async (_request, reply) => {
    const page = await asset("/docs/");
    if (page === undefined) return sendRefusal(reply, refuse("internal_error"));
    policy ??= policyFor(page.plain.toString("utf8"));
    return reply
      .header("content-type", "text/html; charset=utf-8")
      .header("content-security-policy", policy)
      .header("referrer-policy", "no-referrer")
      .send(page.plain);
  });
  app.get("/docs/js/scalar.js", hidden, async (request, reply): Promise<FastifyReply> => {
    const script = await asset("/docs/js/scalar.js");
    if (script === undefined) return sendRefusal(reply, refuse("internal_error"));
    // The same for everyone until the next release, so browsers may keep it, unlike everything else here.
    reply.header("content-type", "text/javascript; charset=utf-8").header("cache-control", "public, max-age=3600");
    return sendEncoded(request, reply, script);
  });
}

async function createViewer(): Promise<FastifyInstance> {
  const { default: scalar } = await import("@scalar/fastify-api-reference");
  const instance = fastify({ logger: false });
  await instance.register(scalar, {
    routePrefix: "/docs",
    configuration: {
      url: "/openapi.json",
      pageTitle: "SmartFinance API",
      // Everything from this origin: no fonts, no proxy, no telemetry of the viewer's maker.
      withDefaultFonts: false,
      telemetry: false,
      proxyUrl: "",
      // Nor what its maker offers beside it, on this machine's own address too: deploying, generating, asking a service that would be sent the document.
      showDeveloperTools: "never",
      agent: { disabled: true },
      mcp: { disabled: true },
      hideClientButton: true,
      // So that the samples name this server.
      servers: [{ url: "/" }],
    },
  });
  await instance.ready();
  return instance;
}

/** Allows this origin and the page's own inline scripts, by hash; nothing from anywhere else. */
function policyFor(page: string): string {
  const hashes = [...page.matchAll(INLINE_SCRIPT)].map(([, script]) => `'sha256-${hash("sha256", script ?? "", "base64")}'`);
  return [
    "default-src 'self'",
    `script-src 'self' ${hashes.join(" ")}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}
