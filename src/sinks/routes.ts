import type { HttpServer } from "#http/index.ts";
import { sendObject } from "#http/index.ts";
import { sinksSchema } from "./schema.ts";
import type { SinkStatusDeps } from "./status.ts";
import { sinkStatus } from "./status.ts";

/** Route of the audit sinks. */
export function sinkRoutes(app: HttpServer, deps: SinkStatusDeps): void {
  app.get(
    "/v1/audit/sinks",
    {
      config: { access: "key", scope: "audit:read", cost: 2 },
      schema: {
        operationId: "listAuditSinks",
        tags: ["Audit"],
        summary: "List the audit sinks and how far behind they are",
        description:
          "Where the installation's audit events are copied to besides its own log: CloudWatch Logs, objects in S3. The sinks are the installation's, and so are these figures.",
        response: { 200: sinksSchema },
      },
    },
    async (_request, reply) => sendObject(reply, { object: "list", data: await sinkStatus(deps) }),
  );
}
