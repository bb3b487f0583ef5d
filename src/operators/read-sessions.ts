import type { OperatorId, OperatorSessionId, OrganisationId } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import { credentialsKey, credentialsOf } from "./credentials.ts";
import type { OperatorDeps } from "./deps.ts";
import { OPERATORS_TABLE } from "./operator.ts";
import { presentSession } from "./present-session.ts";
import { readPolicy } from "./session-policy.ts";
import { SESSIONS_TABLE, sessions } from "./session.ts";

/** An operator's sessions, the newest first: his browsers, where they were, and which are still signed in. At most fifty. */
export async function sessionsOf(
  deps: OperatorDeps,
  of: { readonly organisationId: OrganisationId; readonly operatorId: OperatorId; readonly current?: OperatorSessionId },
): Promise<readonly JsonObject[]> {
  const [policy, credentialsItem] = await Promise.all([
    readPolicy(deps.store, of.organisationId),
    deps.store.get(OPERATORS_TABLE, credentialsKey(of.operatorId)),
  ]);
  if (credentialsItem === undefined) return [];
  const { sessions: ids, sessionEpoch: epoch } = credentialsOf.fromItem(credentialsItem);
  if (ids.length === 0) return [];
  const [items, seen] = await Promise.all([
    deps.store.getMany(ids.map((id) => ({ table: SESSIONS_TABLE, key: { hash: id } }))),
    deps.sessions.seen(ids),
  ]);
  const now = deps.clock.now();
  const { current } = of;
  return items.flatMap((item) => {
    // What ended a month ago is not kept.
    const session = item === undefined ? undefined : sessions.fromItem(item);
    return session === undefined ? [] : [presentSession(session, { epoch, policy, now, seenAt: seen.get(session.id), current })];
  });
}
