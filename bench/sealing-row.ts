import { setTimeout as sleep } from "node:timers/promises";
import { startServer } from "../test/crash/server-process.ts";
import { createHistogram } from "./histogram.ts";
import { readSeed } from "./seed-file.ts";
import type { WorkerMeasured } from "./worker-result.ts";
import { watchCores } from "./worker-result.ts";

const LOOK_MS = 20;
/** Nothing new for so long: everything is sealed. */
const CALM_MS = 2_000;

/**
 * `audit_sealing`: how fast the Merkle log takes events in while it is behind. Starts a server over data whose events nobody has sealed
 * (the seeding runs no worker) and watches the size of the signed tree grow until it stands still. Webhooks are routed meanwhile, as always.
 * @param dataDir a copy of seeded data that no server has run over
 * @param mostSeconds gives up after, and counts what was sealed until then
 */
export async function measureSealing(dataDir: string, seedDir: string, mostSeconds: number): Promise<WorkerMeasured> {
  const { apiKey } = readSeed(seedDir);
  const server = await startServer({ store: { kind: "sqlite" }, dataDir, settings: { SMARTFINANCE_DEMO: "false" } });
  const cores = watchCores(server.pid);
  const durations = createHistogram();
  const began = performance.now();
  let first: { readonly size: number; readonly at: number } | undefined;
  let last = { size: 0, at: began };
  let used = {};
  let errors = 0;
  try {
    while (performance.now() - last.at < CALM_MS && performance.now() - began < mostSeconds * 1000) {
      const answer = await fetch(`http://127.0.0.1:${server.port}/v1/audit/checkpoint`, { headers: { "x-api-key": apiKey } });
      // The size is the second line of a signed note (C2SP tlog-checkpoint). Before the first one is signed there is none.
      const size = Number((await answer.text()).split("\n")[1]);
      const at = performance.now();
      if (answer.status >= 500 || answer.status === 429) errors += 1;
      if (answer.ok && size > last.size) {
        if (first === undefined) first = { size, at };
        else durations.add(at - last.at);
        last = { size, at };
        used = cores();
      }
      await sleep(LOOK_MS);
    }
  } finally {
    await server.stop();
  }
  const sealed = first === undefined ? 0 : last.size - first.size;
  return {
    name: "audit_sealing",
    perSecond: first === undefined || sealed === 0 ? 0 : sealed / ((last.at - first.at) / 1000),
    unit: "events/s",
    durations,
    errors,
    counts: { sealed, tree_size: last.size },
    conditions: { durations: "between two signed tree heads seen", looked_every_ms: LOOK_MS, ...used },
    violations: sealed === 0 ? ["nothing was left to be sealed after the first look: seed more accounts"] : [],
  };
}
