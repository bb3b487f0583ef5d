import { Type } from "typebox";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { HttpServer } from "./contract.ts";
import { sendRefusal } from "./send.ts";

const healthSchema = Type.Object({ status: Type.Literal("ok") });

/**
 * `/healthz`: the process is up. `/readyz`: it can serve, which it is asked anew each time and given
 * `readyMs` milliseconds to answer.
 */
export function registerHealth(app: HttpServer, ready: () => Promise<Refusal | void>, readyMs: number): void {
  app.get(
    "/healthz",
    {
      config: { access: "public", scope: null },
      exposeHeadRoute: true,
      schema: {
        operationId: "getHealth",
        tags: ["Server"],
        summary: "Whether the process is up",
        description: "Asks nothing of the store.",
        response: { 200: healthSchema },
      },
    },
    () => ({ status: "ok" as const }),
  );
  app.get(
    "/readyz",
    {
      config: { access: "public", scope: null, problems: ["store_unavailable", "overloaded", "shutting_down"] },
      exposeHeadRoute: true,
      schema: {
        operationId: "getReadiness",
        tags: ["Server"],
        summary: "Whether requests can be served",
        description: "Asks the store. 503 while it cannot be reached, and while the server stops.",
        response: { 200: healthSchema },
      },
    },
    async (_request, reply) => {
      const refusal = await asked(ready, readyMs);
      return refusal === undefined ? { status: "ok" as const } : sendRefusal(reply, refusal);
    },
  );
}

/** What `ask` says within `ms`: undefined when all is well. A late rejection is ignored. */
async function asked(ask: () => Promise<Refusal | void>, ms: number): Promise<Refusal | undefined> {
  const unavailable = refuse("store_unavailable");
  const late = Promise.withResolvers<Refusal>();
  const timer = setTimeout(late.resolve, ms, unavailable);
  try {
    return (await Promise.race([ask().catch(() => unavailable), late.promise])) ?? undefined;
  } catch {
    return unavailable;
  } finally {
    clearTimeout(timer);
  }
}
