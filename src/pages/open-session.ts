import type { Executed } from "#commit/index.ts";
import { refused, replied, workOn } from "#commit/index.ts";
import { refuse } from "#kernel/problems.ts";
import type { SessionDeps, WantedDeps } from "./deps.ts";
import { expireIn } from "./expire-session.ts";
import { isSecret, newSecret, readToken } from "./secret.ts";
import type { HostedSession } from "./session.ts";
import { hostedSessions, readSession, statusAt } from "./session.ts";
import type { Visitor } from "./visit.ts";
import { actorOf, stillWanted } from "./visit.ts";

export type Opened =
  | { readonly ok: true; readonly session: HostedSession; readonly cookie: string }
  | {
      readonly ok: false;
      readonly executed: Executed;
      /** The token was never a good one. One that was is no guess: people open links twice. */
      readonly guessed: boolean;
    };

/**
 * Exchanges the token of a link for the secret of a cookie, once: of any number of simultaneous tries one succeeds. Whatever is wrong,
 * the answer is `hosted_session_ended`, so that it tells nothing about tokens.
 */
export async function openSession(deps: SessionDeps & WantedDeps, token: string, visitor: Visitor): Promise<Opened> {
  const ended = refused(refuse("hosted_session_ended"), visitor.requestId);
  const no: Opened = { ok: false, guessed: true, executed: { ok: true, replayed: false, reply: ended.reply } };
  const parts = readToken(token);
  if (parts === undefined) return no;
  // Made-up tokens are turned away by a read; only whoever has a real one makes anybody write.
  const found = await readSession(deps.store, parts.id);
  if (found === undefined || !isSecret(parts.secret, found.tokenHash)) return no;
  if (!(await stillWanted(deps, found))) return { ...no, guessed: false };
  const cookie = newSecret(deps.random);
  const eventId = deps.ids.next("event");
  let opened: HostedSession | undefined;
  const executed = await deps.queue.execute({
    actor: actorOf(found, visitor),
    needs: [{ collection: hostedSessions, key: { hash: parts.id }, mode: "write" }],
    decide(view, at) {
      opened = undefined;
      const work = workOn(view);
      const session = work.get(hostedSessions, { hash: parts.id });
      if (session?.status !== "created") return ended;
      if (statusAt(session, at) === "expired") {
        expireIn(work, session, eventId, at);
        return work.outcome(ended.reply);
      }
      opened = { ...session, status: "opened", cookieHash: cookie.hash, openedAt: at, version: session.version + 1 };
      work.put(hostedSessions, opened);
      work.tell({ id: eventId, type: "hosted_session.opened", objectId: session.id, userId: session.userId });
      return work.outcome(replied(200, {}));
    },
  });
  if (!executed.ok || opened === undefined) return { ok: false, guessed: false, executed };
  return { ok: true, session: opened, cookie: cookie.text };
}
