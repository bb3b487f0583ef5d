import { Type } from "typebox";
import type { Refusal } from "#kernel/problems.ts";
import { refuse } from "#kernel/problems.ts";
import type { AskKeys, HttpServer, TellAuditLog } from "./contract.ts";
import type { HttpLimits } from "./limits.ts";
import { sendRefusal } from "./send.ts";

const healthSchema = Type.Object({ status: Type.Literal("ok") });
const readinessSchema = Type.Object({
  status: Type.Literal("ok"),
  keys: Type.Enum(["ok", "kms_unavailable", "key_blocked"], {
    description:
      "Whether new work can be sealed. Otherwise what requests are refused with that need an encryption key which is not in memory.",
  }),
  audit_log: Type.Enum(["ok", "late", "clock_skew", "tampered"], {
    description:
      "Whether audit events are sealed in time: `late` where the oldest waits for longer than it may, `clock_skew` and `tampered` where nothing " +
      "is sealed because the clock or what is stored cannot be believed. Requests are served all the same.",
  }),
});

/**
 * `/healthz`: the process is up. `/readyz`: it can serve, which it is given `readyMs` milliseconds to answer. The route is
 * public and the store's reads cost money, so all who ask within `readySharedMs` milliseconds share one good
 * answer, and all who ask while the store is being asked share that one question.
 */
export function registerHealth(
  app: HttpServer,
  ready: () => Promise<Refusal | void>,
  { readyMs, readySharedMs }: Pick<HttpLimits, "readyMs" | "readySharedMs">,
  keys?: AskKeys,
  auditLog: TellAuditLog = () => "ok",
): void {
  const serves = shared(() => asked(ready, readyMs), readySharedMs);
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
        description:
          "Asks the store, once a second at most while all is well. 503 while it cannot be reached, and while the server stops. `keys` tells when encryption keys cannot be used: " +
          "that is no 503, because every node shares them and what is in memory goes on.",
        response: { 200: readinessSchema },
      },
    },
    async (_request, reply) => {
      const refusal = await serves();
      if (refusal !== undefined) return sendRefusal(reply, refusal);
      return { status: "ok" as const, keys: await keysWithin(keys, readyMs), audit_log: auditLog() };
    },
  );
}

/** One question for all who ask before it is answered, or within `ms` of its being put where all was well: an end of trouble is told at once. */
function shared(ask: () => Promise<Refusal | undefined>, ms: number): () => Promise<Refusal | undefined> {
  let latest: { readonly answer: Promise<Refusal | undefined>; readonly putAt: number; state: "open" | "well" | "ill" } | undefined;
  return () => {
    const now = performance.now();
    if (latest?.state === "open" || (latest?.state === "well" && now - latest.putAt < ms)) return latest.answer;
    const put: typeof latest = { answer: ask(), putAt: now, state: "open" };
    put.answer.then(
      (refusal) => {
        put.state = refusal === undefined ? "well" : "ill";
      },
      () => {
        put.state = "ill";
      },
    );
    latest = put;
    return put.answer;
  };
}

/** What the keys' service says within `ms`; silence is an answer too. */
async function keysWithin(keys: AskKeys | undefined, ms: number): ReturnType<AskKeys> {
  if (keys === undefined) return "ok";
  const late = Promise.withResolvers<"kms_unavailable">();
  const timer = setTimeout(late.resolve, ms, "kms_unavailable");
  try {
    return await Promise.race([keys(), late.promise]);
  } finally {
    clearTimeout(timer);
  }
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
