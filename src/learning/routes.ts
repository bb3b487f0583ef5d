import type { HttpServer } from "#http/index.ts";
import type { LearningDeps } from "./deps.ts";
import { modelRoutes } from "./model-routes.ts";
import { trainingRoutes } from "./training-routes.ts";

/** Routes of fraud models and their trainings. */
export function learningRoutes(app: HttpServer, deps: LearningDeps): void {
  trainingRoutes(app, deps);
  modelRoutes(app, deps);
}
