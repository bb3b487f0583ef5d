import type { WebhookEndpointId } from "#kernel/ids.ts";
import type { Store } from "#storage/index.ts";
import type { WebhookEndpoint } from "./endpoint.ts";
import type { Journal } from "./journal.ts";
import { STATE_TABLE } from "./leader.ts";
import { DISABLE_AFTER_MS } from "./schedule.ts";

/** Since when endpoints take nothing at all. Written when it begins and when it ends, not with every delivery. */
export interface Health {
  /** Reads what is known of an endpoint before its first delivery of this term. */
  load(endpointId: WebhookEndpointId): Promise<void>;
  delivered(endpoint: WebhookEndpoint): void;
  /** @returns whether it has failed for so long that it should be disabled */
  failed(endpoint: WebhookEndpoint, at: number): boolean;
  forget(endpointId: WebhookEndpointId): void;
}

export function createHealth(store: Store, journal: Journal, onError: (error: unknown) => void): Health {
  const failingSince = new Map<WebhookEndpointId, number>();

  const put = (id: WebhookEndpointId, since: number | null): void => {
    journal.write([{ op: "put", table: STATE_TABLE, item: { id, failing_since: since }, condition: "none" }]).catch(onError);
  };

  return {
    async load(id) {
      const since = (await store.get(STATE_TABLE, { hash: id }))?.failing_since;
      if (typeof since === "number") failingSince.set(id, since);
    },
    delivered({ id }) {
      if (failingSince.delete(id)) put(id, null);
    },
    failed({ id, enabledAt }, at) {
      const since = failingSince.get(id);
      // Enabled again since: it begins anew.
      if (since === undefined || since < enabledAt) {
        failingSince.set(id, at);
        put(id, at);
        return false;
      }
      return at - since >= DISABLE_AFTER_MS;
    },
    forget: (id) => void failingSince.delete(id),
  };
}
