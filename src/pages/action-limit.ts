import type { HostedSessionId } from "#kernel/ids.ts";

/** More than anybody clicks in ten minutes. Each may cost a write, and no quota of the organisation is drawn for it. */
const MAX_ACTIONS = 100;
/** Sessions remembered; beyond, the oldest are forgotten. */
const MAX_SESSIONS = 10_000;

/** Counts what is done in each session on this node. @returns whether one more action is allowed */
export function createActionLimit(): (id: HostedSessionId) => boolean {
  const counts = new Map<HostedSessionId, number>();
  return (id) => {
    const count = (counts.get(id) ?? 0) + 1;
    if (count > MAX_ACTIONS) return false;
    const [oldest] = counts.keys();
    if (counts.size >= MAX_SESSIONS && !counts.has(id) && oldest !== undefined) counts.delete(oldest);
    counts.set(id, count);
    return true;
  };
}
