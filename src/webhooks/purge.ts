import { firstIdAt } from "#kernel/ids.ts";
import type { OrganisationId } from "#kernel/ids.ts";
import type { Store, TableName } from "#storage/index.ts";
import { DELIVERIES_TABLE, QUEUE_TABLE } from "./delivery.ts";
import type { WebhookEndpoint } from "./endpoint.ts";
import type { Journal } from "./journal.ts";
import { STATE_TABLE } from "./leader.ts";
import { ENDPOINTS_TABLE } from "./secret.ts";

/** How long ended deliveries are kept, ms: 30 days. */
const KEPT_MS = 30 * 24 * 60 * 60 * 1000;
const PORTION = 90;
/** Portions of one endpoint in one round, so that nobody waits for another's. */
const MAX_PORTIONS = 50;

interface PurgeDeps {
  readonly store: Store;
  readonly journal: Journal;
}

/** Deletes what an endpoint has in a table, up to a key, in portions. @returns whether nothing is left */
async function clear({ store, journal }: PurgeDeps, table: TableName, hash: string, to: string): Promise<boolean> {
  const portion = Math.min(PORTION, journal.capacity);
  for (let portions = 0; portions < MAX_PORTIONS; portions++) {
    const { items } = await store.query({ table, hash, to, order: "ascending", limit: portion });
    if (items.length === 0) return true;
    const writes = items.map((item) => ({ op: "delete", table, key: { hash, range: String(item.id) }, condition: "none" }) as const);
    if (!(await journal.write(writes))) return false;
    if (items.length < portion) return true;
  }
  return false;
}

/** Takes away what is past its time, or everything of a deleted endpoint and the endpoint itself in the end. @returns whether that is all */
export async function purge(deps: PurgeDeps, endpoint: WebhookEndpoint, now: number): Promise<boolean> {
  const { id } = endpoint;
  if (endpoint.status !== "deleted") return clear(deps, DELIVERIES_TABLE, id, firstIdAt("webhookDelivery", Math.max(0, now - KEPT_MS)));
  const all = "dlv_~";
  if (!(await clear(deps, QUEUE_TABLE, id, all)) || !(await clear(deps, DELIVERIES_TABLE, id, all))) return false;
  return deps.journal.write([
    { op: "delete", table: STATE_TABLE, key: { hash: id }, condition: "none" },
    { op: "delete", table: ENDPOINTS_TABLE, key: { hash: id }, condition: "none" },
  ]);
}

/** Actor of what the installation does by itself. */
export const bySystem = (organisationId: OrganisationId) => ({
  organisationId,
  apiKeyId: null,
  ip: null,
  userAgent: null,
  requestId: null,
});
