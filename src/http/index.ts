export type {
  AllowlistOwner,
  AuthenticationFailures,
  Caller,
  HttpServer,
  HttpServerOptions,
  Idempotency,
  Principal,
  Quota,
  RouteConfig,
  SecurityEvent,
  SessionAuthentication,
} from "./contract.ts";
export { callerIdOf } from "./caller-id.ts";
export { refuseCrossSite, refuseForeignPage } from "./cross-site.ts";
export { readCookie } from "./session-cookie.ts";
export { clientAddress } from "./client-address.ts";
export { clientThumbprint } from "./client-certificate.ts";
export type { HttpLimits } from "./limits.ts";
export { compileSchemas } from "./lazy-compile.ts";
export { type PageRequest, listOf, newestFirst, pageParameters, pageSchema, readPage, readTimes } from "./page-query.ts";
export { buildOpenApi, tellWebhooks } from "./openapi.ts";
export { type StoredReply, sendRefusal } from "./send.ts";
export { createHttpServer } from "./server.ts";
export { openStream } from "./open-stream.ts";
export { stop } from "./stop.ts";
export { replaceTls } from "./listener.ts";
export { type TlsFiles, type TlsSettings, readTls } from "./tls.ts";
export * from "./fields.ts";
export { sendExecuted, sendObject, sendVersioned } from "./send-executed.ts";
