import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import fastify from "fastify";
import type { FastifyReply, FastifyRequest, RouteOptions } from "fastify";
import { Type } from "typebox";
import { invariant } from "#kernel/assert.ts";
import { refuse } from "#kernel/problems.ts";
import { isScope } from "#kernel/scopes.ts";
import { watchClientCertificates } from "./client-certificate.ts";
import { createClientErrorHandler } from "./client-error.ts";
import { boundConnections } from "./connections.ts";
import type { Caller, HttpServer, HttpServerOptions, RouteFacts } from "./contract.ts";
import { registerDocs } from "./docs.ts";
import { createErrorHandler, refusalOf } from "./error-handler.ts";
import { createGuard } from "./guard.ts";
import { registerHealth } from "./health.ts";
import { createLazyCompiler } from "./lazy-compile.ts";
import type { HttpLimits } from "./limits.ts";
import { defaultLimits } from "./limits.ts";
import { createListener } from "./listener.ts";
import { bindOperations } from "./openapi.ts";
import { createBodyParser } from "./parse-body.ts";
import { createRouteIndex } from "./route-index.ts";
import { sendRefusal } from "./send.ts";
import { bindTraffic } from "./stop.ts";
import { createTraffic } from "./traffic.ts";

const PRIMERS: ReadonlySet<string> = new Set(["/healthz", "/readyz"]);

/** A route without a query schema takes no query parameters. */
const noQuery = Type.Object({}, { additionalProperties: false });

/**
 * Builds the HTTP server: every request gets an id, its checks in order (docs: the order in `guard.ts`), a
 * strict JSON body, problem+json for whatever goes wrong, and one access log line. Routes are registered
 * on the returned instance and declare how they are guarded in `config` (`RouteConfig`).
 * @throws InvariantError on limits that would switch a timeout off, and on routes without `access` or `operationId`.
 */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const limits: HttpLimits = { ...defaultLimits, ...options.limits };
  // Node enforces neither timeout when the headers' one is not the smaller.
  invariant(
    limits.headersTimeoutMs > 0 && limits.headersTimeoutMs < limits.requestTimeoutMs,
    "headersTimeoutMs must be below requestTimeoutMs",
  );
  invariant(limits.requestTimeoutMs < limits.deadlineMs, "requestTimeoutMs must be below deadlineMs");
  const { ids, logger } = options;
  const { tls, trustedProxyHops } = options;
  const secure = tls !== undefined || options.tlsTerminatedByProxy === true;
  const traffic = createTraffic(logger, limits);
  const guard = createGuard({ ...options, limits, secure }, traffic);
  const handleError = createErrorHandler(logger);

  const app: HttpServer = fastify({
    // Fastify's own logging makes a child logger for each request; `traffic` writes the access log instead.
    logger: false,
    genReqId: () => ids.next("request"),
    requestIdHeader: false,
    bodyLimit: limits.bodyBytes,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: limits.paramLength },
    return503OnClosing: false,
    forceCloseConnections: "idle",
    // Fastify's own would open a second listener for "localhost", which none of the bounds below would reach.
    serverFactory: (handler) => createListener(handler, limits, tls),
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        allErrors: false,
        strict: true,
        strictTypes: true,
        strictTuples: true,
        strictRequired: false,
      },
    },
    clientErrorHandler: createClientErrorHandler(ids, logger, secure),
    frameworkErrors: (error, request, reply) => {
      sendRefusal(reply, guard.greet(request, reply) ?? refusalOf(error, request));
    },
  }).withTypeProvider<TypeBoxTypeProvider>();

  boundConnections(app.server, limits, { trustedProxyHops, logger, secure: tls !== undefined });
  if (tls?.requestCert === true) watchClientCertificates(app.server, logger);
  // Sockets and their timeouts live in the machine's time, so this timer does too.
  const sweeper = setInterval(() => traffic.sweep(), limits.connectionsCheckMs).unref();
  app.addHook("onClose", (_instance, done) => {
    clearInterval(sweeper);
    done();
  });

  decorate(app);
  const index = createRouteIndex();
  const operations = bindOperations(app, options.version);
  const lazy = createLazyCompiler(app, logger);
  app.addHook("onRoute", (route) => {
    const facts = factsOf(route);
    if (route.schema?.querystring === undefined) route.schema = { ...route.schema, querystring: noQuery };
    route.onRequest = [guard.forRoute(facts), ...[route.onRequest ?? []].flat()];
    // Nobody waits for the body of a GET.
    if (facts.access !== "public" && facts.method !== "GET" && facts.method !== "HEAD")
      route.preValidation = [guard.afterBody(facts), ...[route.preValidation ?? []].flat()];
    // The health routes are asked first; through them Fastify builds its compilers.
    if (!PRIMERS.has(facts.pattern)) lazy.postpone(route);
    index.add(facts.method, facts.pattern);
    operations.add(route, facts);
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", createBodyParser(limits.bodyBytes, traffic));
  app.setErrorHandler(handleError);

  const unrouted = {
    // Answers before the body is read; the handler below is never reached.
    onRequest(request: FastifyRequest, reply: FastifyReply): void {
      const refusal = guard.greet(request, reply);
      if (refusal !== undefined) {
        sendRefusal(reply, refusal);
        return;
      }
      const methods = index.methodsOf(request.raw.url ?? "");
      if (methods.length > 0) reply.header("allow", methods.join(", "));
      sendRefusal(reply, refuse(methods.length > 0 ? "method_not_allowed" : "not_found"));
    },
  };
  app.setNotFoundHandler(unrouted as object, (_request, reply) => sendRefusal(reply, refuse("not_found")));

  bindTraffic(app, traffic);
  registerHealth(app, options.ready, limits, options.keys, options.auditLog);
  registerDocs(app);
  return app;
}

function decorate(app: HttpServer): void {
  app.decorateRequest("facts", undefined);
  app.decorateRequest("callerOrNone", undefined);
  app.decorateRequest("idempotency", undefined);
  app.decorateRequest("startedAt", 0);
  app.decorateRequest("isWorkedOn", false);
  app.decorateRequest("heldBytes", 0);
  app.decorateRequest("caller", {
    getter(this: FastifyRequest): Caller {
      invariant(this.callerOrNone !== undefined, "a public route asked who its caller is");
      return this.callerOrNone;
    },
  });
}

/** @throws InvariantError when the route does not say how it is guarded or what it is called. */
function factsOf(route: RouteOptions): RouteFacts {
  const config = route.config;
  const method = String(route.method);
  const name = `${method} ${route.url}`;
  invariant(config !== undefined && ["public", "key", "session"].includes(config.access), `route ${name} declares no access`);
  invariant(
    config.access === "key" ? isScope(config.scope) : config.scope === null,
    `route ${name} names no scope of the table, or needs none and names one`,
  );
  invariant(config.unfinished !== true || config.access === "session", `route ${name} takes no sessions that are not finished`);
  const cost = config.cost ?? 1;
  invariant(Number.isSafeInteger(cost) && cost >= 1, `route ${name} has a cost that is no positive integer`);
  invariant(
    !(config.access === "public" && (config.sensitive === true || config.idempotent === true)),
    `public route ${name} has no principal to check`,
  );
  invariant(route.schema?.hide === true || typeof route.schema?.operationId === "string", `route ${name} has no operationId`);
  return { ...config, method, pattern: route.url, acceptsBody: route.schema?.body !== undefined };
}
