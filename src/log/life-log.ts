import type { CommitQueue } from "#commit/index.ts";
import type { Ids } from "#kernel/ids.ts";
import type { JsonObject } from "#kernel/json.ts";
import type { InstallationEvent } from "./installation.ts";
import { byInstallation, INSTALLATION } from "./installation.ts";

export interface LifeLogDeps {
  readonly queue: CommitQueue;
  readonly ids: Ids;
  /** Told when an event could not be kept. */
  readonly onLost: (why: unknown) => void;
}

/** When the audit log of a process began, ended, and stood still (PCI DSS 10.2.1.6). Nothing here rejects. */
export interface LifeLog {
  /** A process takes up its work. A start without a stop before it is a process that was killed. */
  started(details: { readonly version: string; readonly settings_sha256: string }): Promise<void>;
  /** It ends, in order. Nothing where it never started. */
  stopped(): Promise<void>;
  /** Nothing has been sealed for so long that it was told. */
  paused(details: { readonly reason: string; readonly oldest_age_seconds: number }): Promise<void>;
  resumed(): Promise<void>;
}

/** Leaves the events. Each names the process by an id that it has for its life. */
export function createLifeLog({ queue, ids, onLost }: LifeLogDeps): LifeLog {
  const process = ids.next("request");
  let alive = false;

  const tell = async ({ type, details }: InstallationEvent): Promise<void> => {
    const more: JsonObject = { process, ...details };
    const event = { id: ids.next("event"), type, objectId: INSTALLATION, details: more };
    try {
      const decide = () => ({ reply: { status: 204, body: "" }, changes: [], events: [event] });
      const executed = await queue.execute({ actor: byInstallation, needs: [], decide });
      if (!executed.ok) onLost(executed.code);
    } catch (error) {
      onLost(error);
    }
  };

  return {
    async started(details) {
      alive = true;
      await tell({ type: "audit_log.started", details: { ...details } });
    },
    async stopped() {
      if (!alive) return;
      alive = false;
      await tell({ type: "audit_log.stopped", details: {} });
    },
    paused: (details) => tell({ type: "audit_log.sealing_paused", details: { ...details } }),
    resumed: () => tell({ type: "audit_log.sealing_resumed", details: {} }),
  };
}
