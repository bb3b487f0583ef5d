import { setTimeout as sleep } from "node:timers/promises";
import { startServer, type StoreChoice } from "../test/crash/server-process.ts";
import { readSeed } from "./seed-file.ts";

const LOOK_MS = 500;
/** So many looks in a row that show nothing new: the workers have caught up. */
const CALM_LOOKS = 5;
const MOST_LOOKS = 600;

/**
 * Runs a server over seeded data until what it does behind the payments (sealing the audit log, routing events) has
 * caught up with the seeding, so that the rows do not pay for that.
 */
export async function catchUp(store: StoreChoice, dataDir: string, seedDir: string): Promise<void> {
  const { apiKey } = readSeed(seedDir);
  const server = await startServer({ store, dataDir, settings: { SMARTFINANCE_DEMO: "false" } });
  try {
    let before = "";
    let calm = 0;
    for (let looks = 0; looks < MOST_LOOKS && calm < CALM_LOOKS; looks++) {
      await sleep(LOOK_MS);
      const answer = await fetch(`http://127.0.0.1:${server.port}/v1/audit/checkpoint`, { headers: { "x-api-key": apiKey } });
      const text = await answer.text();
      calm = answer.ok && text === before ? calm + 1 : 0;
      before = text;
    }
  } finally {
    await server.stop();
  }
}
