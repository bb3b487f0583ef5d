import { describe } from "node:test";
import { commitSection } from "./commit-section.ts";
import { faultSection } from "./fault-section.ts";
import { feedSection } from "./feed-section.ts";
import type { ConformanceOptions, Harness, Section } from "./harness.ts";
import { lifecycleSection } from "./lifecycle-section.ts";
import { modelSection } from "./model-section.ts";
import { querySection } from "./query-section.ts";
import { raceSection } from "./race-section.ts";
import { readSection } from "./read-section.ts";

export type { ConformanceOptions, Harness, InjectableFault, Injector } from "./harness.ts";

/**
 * Registers the node:test tests that every engine of the Store port passes. An engine's test file says:
 *
 * ```ts
 * import { storeConformance } from "../conformance/suite.ts";
 *
 * storeConformance("sqlite", async () => {
 *   const path = join(await mkdtemp(join(tmpdir(), "store-")), "data.db");
 *   let store = await openSqliteStore({ path });
 *   return {
 *     store,
 *     reopen: async () => {
 *       await store.close();
 *       store = await openSqliteStore({ path });
 *       return store;
 *     },
 *     dispose: async () => {
 *       await store.close();
 *       await rm(dirname(path), { recursive: true });
 *     },
 *   };
 * }, { runs: 50 });
 * ```
 *
 * `open` is called about ten times and gives a new, empty store each time. `store` is the engine's store with
 * `dump()` (state-hash.ts) beside the port. `close` may be called twice. What a harness leaves out (`reopen`,
 * `inject`) is not tested; kill -9 is tested by `crash.ts`, whose child only the engine can write.
 */
export function storeConformance(name: string, open: () => Promise<Harness>, options: ConformanceOptions = {}): void {
  const section: Section = {
    open,
    options: {
      runs: options.runs ?? 50,
      lagMs: options.lagMs ?? 5_000,
      feed: options.feed ?? "exactly_once",
      expiry: options.expiry ?? "store",
    },
  };
  describe(`store conformance: ${name}`, () => {
    commitSection(section);
    readSection(section);
    querySection(section);
    feedSection(section);
    raceSection(section);
    modelSection(section);
    lifecycleSection(section);
    faultSection(section);
  });
}
