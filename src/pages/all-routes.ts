import type { HttpServer } from "#http/index.ts";
import type { PagesDeps } from "./deps.ts";
import type { SessionExpiry } from "./expire-session.ts";
import { createSessionExpiry } from "./expire-session.ts";
import { pageRoutes } from "./page-routes.ts";
import { hostedSessionRoutes } from "./routes.ts";
import { visitRoutes } from "./visit-routes.ts";

/** The hosted pages: how organisations send customers to them, and what the customers' browsers get. @returns what ends visits that nobody ended */
export function hostedPages(app: HttpServer, deps: PagesDeps & { readonly onExpiryError: (error: unknown) => void }): SessionExpiry {
  hostedSessionRoutes(app, deps);
  pageRoutes(app, deps);
  visitRoutes(app, deps);
  return createSessionExpiry({ ...deps, onError: deps.onExpiryError });
}
