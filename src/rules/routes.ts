import type { HttpServer } from "#http/index.ts";
import type { RulesDeps } from "./deps.ts";
import { dryRunRoutes } from "./dry-run-routes.ts";
import { listRoutes } from "./list-routes.ts";
import { ruleSetRoutes } from "./rule-set-routes.ts";

/** Routes of risk rules, lists, thresholds and dry runs. */
export function rulesRoutes(app: HttpServer, deps: RulesDeps): void {
  ruleSetRoutes(app, deps);
  listRoutes(app, deps);
  dryRunRoutes(app, deps);
}
