import { Type } from "typebox";
import { refuse } from "#kernel/problems.ts";
import type { HttpServer } from "./contract.ts";
import { sendRefusal } from "./send.ts";

const healthSchema = Type.Object({ status: Type.Literal("ok") });

/**
 * `/healthz`: the process is up. `/readyz`: it can serve, which it is asked anew each time and given
 * `readyMs` milliseconds to answer.
 */
export function registerHealth(app: HttpServer, ready: () => Promise<void>, readyMs: number): void {
  app.get(
    "/healthz",
    {
      config: { access: "public" },
      exposeHeadRoute: true,
      schema: { operationId: "getHealth", tags: ["Server"], summary: "Whether the process is up", response: { 200: healthSchema } },
    },
    () => ({ status: "ok" as const }),
  );
  app.get(
    "/readyz",
    {
      config: { access: "public", problems: ["store_unavailable", "shutting_down"] },
      exposeHeadRoute: true,
      schema: { operationId: "getReadiness", tags: ["Server"], summary: "Whether requests can be served", response: { 200: healthSchema } },
    },
    async (_request, reply) => {
      if (await settlesIn(ready, readyMs)) return { status: "ok" as const };
      return sendRefusal(reply, refuse("store_unavailable"));
    },
  );
}

/** Whether `ask` resolves within `ms`. A late rejection is ignored. */
async function settlesIn(ask: () => Promise<void>, ms: number): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(late.resolve, ms, false);
  try {
    return await Promise.race([
      ask().then(
        () => true,
        () => false,
      ),
      late.promise,
    ]);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
